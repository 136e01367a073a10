#include "core/store/oci_archive.h"

#include <map>
#include <utility>

#include "core/base/file.h"
#include "core/store/archive_index.h"
#include "core/store/blob_archive.h"
#include "core/store/held_blobs.h"
#include "core/store/layout_reader.h"
#include "core/store/oci_layout.h"

namespace kiln::store {
namespace {

using Tags = std::map<std::string, oci::Descriptor>;

BlobArchive archive_of(const HeldBlobs& blobs, const Tags& tags) {
  oci::Index index{std::string(oci::media_type::kOciIndex)};
  for (const auto& [tag, manifest] : tags) {
    index.manifests.push_back(manifest);
    index.manifests.back().annotations[kRefName] = tag;
  }
  BlobArchive archive;
  for (const auto& [digest, blob] : blobs.all()) archive.add("blobs/sha256/" + digest.hex(), blob);
  archive.add("index.json", layer::Blob::of("application/json", index.to_json()));
  archive.add("oci-layout", layer::Blob::of("application/json", std::string(kLayoutFile)));
  return archive;
}

class OciArchive final : public Destination {
 public:
  OciArchive(std::filesystem::path file, std::filesystem::path target, WorkPool& pool)
      : file_(std::move(file)), target_(std::move(target)), pool_(pool) {}

  std::string name() const override { return "oci-archive:" + file_.string(); }

  Task<Result<bool>> link_blob(oci::Descriptor blob, std::optional<oci::Repository>) override {
    co_return blobs_.has(blob.digest);
  }

  Task<Result<StoreResult>> put_blob(layer::Blob blob) override {
    co_return blobs_.put(std::move(blob));
  }

  /// "" as tag stores the blob alone: an index's children have no entry of their own.
  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override {
    blobs_.put(layer::Blob::of(manifest.media_type, manifest.bytes));
    if (tag.empty()) co_return Result<void>();
    tags_.insert_or_assign(std::move(tag), manifest.descriptor());
    auto work = [archive = archive_of(blobs_, tags_), target = target_] {
      const auto tar = archive.open();
      return write_file_atomically(target, *tar);
    };
    co_return co_await pool_.run(std::move(work));
  }

 private:
  std::filesystem::path file_;
  std::filesystem::path target_;
  WorkPool& pool_;
  HeldBlobs blobs_;
  Tags tags_;
};

}  // namespace

Result<std::unique_ptr<Destination>> open_oci_archive(std::filesystem::path file, WorkPool& pool) {
  auto target = archive_path(file);
  if (!target) return std::move(target).error();
  return std::unique_ptr<Destination>(
      std::make_unique<OciArchive>(std::move(file), std::move(*target), pool));
}

Task<Result<std::unique_ptr<ImageReader>>> read_oci_archive(
    std::filesystem::path file, LayoutChoice choice, std::string name, std::string spool_dir,
    WorkPool& pool) {  // NOLINT: see Lifetime
  using Opened = Result<std::unique_ptr<ImageReader>>;
  auto work = [file, choice, name, spool_dir, &pool]() -> Opened {
    auto index = ArchiveIndex::open(file, spool_dir);
    if (!index) return std::move(index).error();
    return open_layout_image(std::move(*index), choice, name, pool);
  };
  co_return co_await pool.run(std::move(work));
}

}  // namespace kiln::store
