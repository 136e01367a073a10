#include "core/build/registry_reader.h"

#include "core/base/file.h"

namespace kiln::build {
namespace {

class RegistryReader final : public store::ImageReader {
 public:
  RegistryReader(BaseCache& cache, registry::Client& registry, oci::Reference reference,
                 registry::Access access, std::string spool_dir, std::chrono::milliseconds max_age)
      : cache_(cache),
        registry_(registry),
        name_(reference.str()),
        reference_(std::move(reference)),
        access_(std::move(access)),
        spool_dir_(std::move(spool_dir)),
        max_age_(max_age) {}

  std::string name() const override { return name_; }

  Task<Result<oci::RawManifest>> top() override {
    if (!reference_.digest()) {
      auto now = co_await cache_.resolve(reference_, access_, max_age_);
      if (!now) co_return std::move(now).error();
      reference_ = reference_.with_digest(now->digest);
    }
    co_return co_await cache_.manifest(reference_, access_);
  }

  Task<Result<oci::RawManifest>> manifest(oci::Descriptor descriptor) override {
    const auto reference = reference_.with_digest(descriptor.digest);
    auto raw = co_await cache_.manifest(reference, access_);
    if (!raw) co_return std::move(raw).error();
    if (raw->bytes.size() != descriptor.size_bytes)
      co_return Error(Errc::kCorrupt, name_ + ": manifest " + descriptor.digest.str() + " has " +
                                          std::to_string(raw->bytes.size()) +
                                          " bytes, the index says " +
                                          std::to_string(descriptor.size_bytes));
    co_return raw;
  }

  Task<Result<std::string>> small_blob(oci::Descriptor blob) override {
    return cache_.config(reference_.repository(), std::move(blob), access_);
  }

  Task<Result<image::LayerSource>> locate(oci::Descriptor blob) override {
    image::LayerSource source(std::move(blob));
    source.repository = reference_.repository();
    co_return source;
  }

  Task<Result<layer::Blob>> fetch(oci::Descriptor blob) override {
    return fetch_blob(registry_, reference_.repository(), std::move(blob), access_, spool_dir_);
  }

 private:
  BaseCache& cache_;
  registry::Client& registry_;
  const std::string name_;  ///< Stays as it was when the tag is resolved.
  oci::Reference reference_;
  registry::Access access_;
  std::string spool_dir_;
  std::chrono::milliseconds max_age_;
};

}  // namespace

std::unique_ptr<store::ImageReader> registry_reader(BaseCache& cache, registry::Client& registry,
                                                    oci::Reference reference,
                                                    registry::Access access, std::string spool_dir,
                                                    std::chrono::milliseconds max_age) {
  return std::make_unique<RegistryReader>(cache, registry, std::move(reference), std::move(access),
                                          std::move(spool_dir), max_age);
}

Task<Result<layer::Blob>> fetch_blob(registry::Client& registry, oci::Repository repository,
                                     oci::Descriptor blob, registry::Access access,
                                     std::string spool_dir) {
  auto file = nameless_file(spool_dir);
  if (!file) co_return std::move(file).error();
  auto sink = std::make_unique<FdSink>(file->get());
  auto fetched = co_await registry.fetch_blob_into(repository, blob, access, *sink);
  if (!fetched && fetched.error().code == Errc::kCorrupt) {
    // If it was a mirror that sent other bytes, it is left alone now; the next try says for sure.
    file = nameless_file(spool_dir);
    if (!file) co_return std::move(file).error();
    sink = std::make_unique<FdSink>(file->get());
    fetched = co_await registry.fetch_blob_into(repository, blob, access, *sink);
  }
  if (!fetched) co_return std::move(fetched).error();
  const auto shared = std::make_shared<const UniqueFd>(std::move(*file));  // Every reader's.
  co_return layer::Blob(std::move(blob), [shared]() -> Result<std::unique_ptr<ByteSource>> {
    return std::unique_ptr<ByteSource>(std::make_unique<SharedFileSource>(shared));
  });
}

}  // namespace kiln::build
