#include "core/store/oci_layout.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include "core/base/file.h"
#include "core/oci/verifying_source.h"
#include "core/store/layout_folder.h"
#include "core/store/layout_reader.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxIndexBytes = 16 * 1024 * 1024;

Result<void> make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return errno_error(error.value(), "cannot create", path);
  return {};
}

/// Refuses a folder that is in use for something else, and one whose blobs would land elsewhere:
/// a layout may be somebody else's, and whoever reads it does not follow such links.
Result<void> check_directory(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory, error)) return {};
  for (const auto& part : {directory / "blobs", directory / "blobs" / "sha256"})
    if (fs::is_symlink(part, error))
      return Error(Errc::kInvalid, part.string() + " is a symlink, which is not followed");
  if (!fs::is_directory(directory, error))
    return Error(Errc::kInvalid, directory.string() + " is not a folder; name a new or empty one");
  if (fs::exists(directory / "oci-layout", error) || fs::is_empty(directory, error)) return {};
  return Error(
      Errc::kInvalid,
      directory.string() + " holds other files and no OCI layout; name a new or empty folder");
}

/// Checks the digest on the way.
Result<void> copy_blob(const layer::Blob& blob, const fs::path& target) {
  auto source = blob.open();
  if (!source) return std::move(source).error();
  oci::VerifyingSource verified(std::move(*source), blob.descriptor());
  return write_file_atomically(target, verified);
}

/// A blob of another length is what is left of somebody's crash.
bool is_there(const fs::path& path, std::uint64_t size_bytes) {
  std::error_code error;
  return fs::file_size(path, error) == size_bytes && !error;
}

/// Puts `entry` into index.json under its tag. One writer at a time, by a lock on the folder.
Result<void> add_to_index(const fs::path& directory, oci::Descriptor entry,
                          const std::string& tag) {
  UniqueFd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid() || ::flock(lock.get(), LOCK_EX) != 0)
    return errno_error(errno, "cannot lock", directory);
  oci::Index index{std::string(oci::media_type::kOciIndex)};
  auto bytes = read_file(directory / "index.json", kMaxIndexBytes);
  if (bytes) {
    auto parsed = oci::Index::parse(*bytes);
    if (!parsed) return std::move(parsed).error().while_doing((directory / "index.json").string());
    index = std::move(*parsed);
  } else if (bytes.error().code != Errc::kNotFound) {
    return std::move(bytes).error();
  }
  const std::string key = kRefName;
  entry.annotations[key] = tag;
  std::erase_if(index.manifests, [&](const oci::Descriptor& old) {
    const auto name = old.annotations.find(key);
    const bool untagged = name == old.annotations.end();
    return !untagged && name->second == tag;
  });
  index.manifests.push_back(std::move(entry));
  return write_file_atomically(directory / "index.json", index.to_json());
}

class OciLayout final : public Destination {
 public:
  OciLayout(fs::path directory, WorkPool& pool) : directory_(std::move(directory)), pool_(pool) {}

  std::string name() const override { return "oci:" + directory_.string(); }

  Task<Result<bool>> link_blob(oci::Descriptor blob, std::optional<oci::Repository>) override {
    co_return is_there(blob_path(blob.digest), blob.size_bytes);
  }

  Task<Result<StoreResult>> put_blob(layer::Blob blob) override {
    const auto path = blob_path(blob.descriptor().digest);
    if (is_there(path, blob.descriptor().size_bytes)) co_return StoreResult::kAlreadyPresent;
    auto work = [blob, path] { return copy_blob(blob, path); };
    auto copied = co_await pool_.run(std::move(work));
    if (!copied) co_return std::move(copied).error();
    co_return StoreResult::kStored;
  }

  /// "" as tag stores the blob alone: an index's children have no entry of their own.
  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override {
    const auto entry = manifest.descriptor();
    const layer::Blob blob = layer::Blob::of(manifest.media_type, manifest.bytes);
    auto stored = co_await put_blob(blob);
    if (!stored) co_return std::move(stored).error();
    if (tag.empty()) co_return Result<void>();
    auto work = [directory = directory_, entry, tag] {
      return add_to_index(directory, entry, tag);
    };
    co_return co_await pool_.run(std::move(work));
  }

 private:
  fs::path blob_path(const oci::Digest& digest) const {
    return directory_ / "blobs" / "sha256" / digest.hex();
  }

  fs::path directory_;
  WorkPool& pool_;
};

}  // namespace

Result<std::unique_ptr<Destination>> open_oci_layout(std::filesystem::path directory,
                                                     WorkPool& pool) {
  KILN_TRY(check_directory(directory));
  KILN_TRY(make_directories(directory / "blobs" / "sha256"));
  std::error_code error;
  if (!fs::exists(directory / "oci-layout", error))
    KILN_TRY(write_file_atomically(directory / "oci-layout", kLayoutFile));
  return std::unique_ptr<Destination>(std::make_unique<OciLayout>(std::move(directory), pool));
}

Task<Result<std::unique_ptr<ImageReader>>> read_oci_layout(
    std::filesystem::path directory, LayoutChoice choice, std::string name,
    WorkPool& pool) {  // NOLINT: see Lifetime
  using Opened = Result<std::unique_ptr<ImageReader>>;
  auto work = [directory, choice, name, &pool]() -> Opened {
    auto folder = open_layout_folder(directory);
    if (!folder) return std::move(folder).error();
    return open_layout_image(std::move(*folder), choice, name, pool);
  };
  co_return co_await pool.run(std::move(work));
}

}  // namespace kiln::store
