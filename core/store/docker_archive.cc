#include "core/store/docker_archive.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/file.h"
#include "core/store/docker_archive_reader.h"
#include "core/store/docker_archive_writer.h"
#include "core/store/held_blobs.h"

namespace kiln::store {
namespace {

class DockerArchive final : public Destination {
 public:
  DockerArchive(std::filesystem::path file, std::filesystem::path target, std::string spool_dir,
                WorkPool& pool)
      : file_(std::move(file)),
        target_(std::move(target)),
        spool_dir_(std::move(spool_dir)),
        pool_(pool) {}

  std::string name() const override { return "docker-archive:" + file_.string(); }
  bool holds_indexes() const override { return false; }

  Task<Result<bool>> link_blob(oci::Descriptor blob, std::optional<oci::Repository>) override {
    co_return blobs_.has(blob.digest);
  }

  Task<Result<StoreResult>> put_blob(layer::Blob blob) override {
    co_return blobs_.put(std::move(blob));
  }

  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override {
    if (!tag.empty() && std::find(names_.begin(), names_.end(), tag) == names_.end())
      names_.push_back(std::move(tag));
    auto work = [manifest, blobs = blobs_, names = names_, spool_dir = spool_dir_,
                 target = target_]() -> Result<void> {
      auto archive = docker_archive_of(manifest, blobs, names, spool_dir);
      if (!archive) return std::move(archive).error();
      const auto tar = archive->open();
      return write_file_atomically(target, *tar);
    };
    co_return co_await pool_.run(std::move(work));
  }

 private:
  std::filesystem::path file_;
  std::filesystem::path target_;
  std::string spool_dir_;
  WorkPool& pool_;
  HeldBlobs blobs_;
  std::vector<std::string> names_;
};

}  // namespace

Result<std::unique_ptr<Destination>> open_docker_archive(std::filesystem::path file,
                                                         std::string spool_dir, WorkPool& pool) {
  auto target = archive_path(file);
  if (!target) return std::move(target).error();
  return std::unique_ptr<Destination>(std::make_unique<DockerArchive>(
      std::move(file), std::move(*target), std::move(spool_dir), pool));
}

Task<Result<std::unique_ptr<ImageReader>>> read_docker_archive(
    std::filesystem::path file, std::string image, std::string name, std::string spool_dir,
    WorkPool& pool) {  // NOLINT: see Lifetime
  using Opened = Result<std::unique_ptr<ImageReader>>;
  auto work = [file, image, name, spool_dir, &pool]() -> Opened {
    auto index = ArchiveIndex::open(file, spool_dir);
    if (!index) return std::move(index).error();
    return open_docker_image(std::move(*index), image, name, pool);
  };
  co_return co_await pool.run(std::move(work));
}

}  // namespace kiln::store
