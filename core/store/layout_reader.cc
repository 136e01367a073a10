#include "core/store/layout_reader.h"

#include <utility>

#include "core/base/json.h"
#include "core/base/redact.h"
#include "core/oci/verifying_source.h"

namespace kiln::store {
namespace {

constexpr std::uint64_t kMaxIndexBytes = 16 * 1024 * 1024;
constexpr std::uint64_t kMaxSmallBytes = 8 * 1024 * 1024;
constexpr std::uint64_t kMaxVersionBytes = 64 * 1024;

std::string blob_path(const oci::Digest& digest) {
  return "blobs/sha256/" + digest.hex();
}

Result<LayoutFiles::File> open_blob(const LayoutFiles& files, const oci::Digest& digest) {
  auto file = files.open(blob_path(digest));
  if (!file && file.error().code == Errc::kNotFound)
    return Error(Errc::kNotFound,
                 "blob " + digest.str() + " is missing: " + std::move(file).error().message);
  return file;
}

Result<std::unique_ptr<ByteSource>> open_verified(const LayoutFiles& files,
                                                  const oci::Descriptor& blob) {
  auto file = open_blob(files, blob.digest);
  if (!file) return std::move(file).error();
  return std::unique_ptr<ByteSource>(
      std::make_unique<oci::VerifyingSource>(std::move(file->source), blob));
}

Result<std::string> read_blob(const LayoutFiles& files, const oci::Descriptor& blob) {
  if (blob.size_bytes > kMaxSmallBytes)
    return Error(Errc::kInvalid, "blob " + blob.digest.str() + " has " +
                                     std::to_string(blob.size_bytes) +
                                     " bytes, more than the allowed " +
                                     std::to_string(kMaxSmallBytes) + " of a manifest or config");
  auto source = open_verified(files, blob);
  if (!source) return std::move(source).error();
  return read_all(**source, kMaxSmallBytes);
}

Result<oci::RawManifest> read_manifest(const LayoutFiles& files, const oci::Descriptor& entry) {
  auto bytes = read_blob(files, entry);
  if (!bytes) return std::move(bytes).error();
  auto type = oci::detect_media_type(*bytes, entry.media_type);
  if (!type) return std::move(type).error().while_doing(entry.digest.str());
  return oci::RawManifest(std::move(*type), std::move(*bytes));
}

/// That it is there and as long as it should be; its bytes are checked by whoever reads them.
Result<void> check_size(const LayoutFiles& files, const oci::Descriptor& blob) {
  auto file = open_blob(files, blob.digest);
  if (!file) return std::move(file).error();
  if (file->size_bytes != blob.size_bytes)
    return Error(Errc::kCorrupt,
                 "blob " + blob.digest.str() + " has " + std::to_string(file->size_bytes) +
                     " bytes, its descriptor says " + std::to_string(blob.size_bytes));
  return {};
}

class LayoutReader final : public ImageReader {
 public:
  LayoutReader(std::shared_ptr<const LayoutFiles> files, oci::Descriptor top, std::string name,
               WorkPool& pool)
      : files_(std::move(files)), top_(std::move(top)), name_(std::move(name)), pool_(pool) {}

  std::string name() const override { return name_; }

  Task<Result<oci::RawManifest>> top() override { return manifest(top_); }

  Task<Result<oci::RawManifest>> manifest(oci::Descriptor descriptor) override {
    auto work = [files = files_, descriptor] { return read_manifest(*files, descriptor); };
    co_return co_await pool_.run(std::move(work));
  }

  Task<Result<std::string>> small_blob(oci::Descriptor blob) override {
    auto work = [files = files_, blob] { return read_blob(*files, blob); };
    co_return co_await pool_.run(std::move(work));
  }

  Task<Result<image::LayerSource>> locate(oci::Descriptor blob) override {
    // What must not be distributed is seldom there, and seldom asked for.
    if (!oci::media_type::is_nondistributable(blob.media_type)) {
      auto work = [files = files_, blob] { return check_size(*files, blob); };
      auto checked = co_await pool_.run(std::move(work));
      if (!checked) co_return std::move(checked).error();
    }
    image::LayerSource source(blob);
    source.blob.emplace(blob, [files = files_, blob] { return open_verified(*files, blob); });
    co_return source;
  }

  Task<Result<layer::Blob>> fetch(oci::Descriptor blob) override {
    auto source = co_await locate(std::move(blob));
    if (!source) co_return std::move(source).error();
    co_return std::move(*source->blob);
  }

 private:
  std::shared_ptr<const LayoutFiles> files_;  // Shared: blobs that were given out read on.
  oci::Descriptor top_;
  std::string name_;
  WorkPool& pool_;
};

Result<void> check_version(const LayoutFiles& files) {
  auto bytes = read_small_file(files, "oci-layout", kMaxVersionBytes);
  if (!bytes && bytes.error().code == Errc::kNotFound)
    return Error(Errc::kInvalid, "this is no OCI layout: there is no " + files.shown("oci-layout"));
  if (!bytes) return std::move(bytes).error();
  auto layout = parse_json(*bytes);
  if (!layout)
    return Error(Errc::kCorrupt, files.shown("oci-layout") + ": " + layout.error().message);
  const auto version = json_string(*layout, "imageLayoutVersion");
  if (!version.starts_with("1."))
    return Error(Errc::kUnsupported, files.shown("oci-layout") + " says version \"" +
                                         sanitize_server_text(version, 32) +
                                         "\"; this program reads 1.0.0");
  return {};
}

Result<oci::Index> read_index(const LayoutFiles& files) {
  auto bytes = read_small_file(files, "index.json", kMaxIndexBytes);
  if (!bytes && bytes.error().code == Errc::kNotFound)
    return Error(Errc::kInvalid, "this is no OCI layout: there is no " + files.shown("index.json"));
  if (!bytes) return std::move(bytes).error();
  auto index = oci::Index::parse(*bytes);
  if (!index) return std::move(index).error().while_doing(files.shown("index.json"));
  return index;
}

}  // namespace

Result<std::unique_ptr<ImageReader>> open_layout_image(std::shared_ptr<const LayoutFiles> files,
                                                       const LayoutChoice& choice, std::string name,
                                                       WorkPool& pool) {
  KILN_TRY(check_version(*files));
  auto index = read_index(*files);
  if (!index) return std::move(index).error();
  auto entry = choose_entry(*index, choice);
  if (!entry) return std::move(entry).error();
  if (!*entry) {  // A digest that index.json does not name: its blob tells its own size and type.
    auto file = open_blob(*files, *choice.digest);
    if (!file) return std::move(file).error();
    entry->emplace("", *choice.digest, file->size_bytes);
  }
  return std::unique_ptr<ImageReader>(
      std::make_unique<LayoutReader>(std::move(files), std::move(**entry), std::move(name), pool));
}

}  // namespace kiln::store
