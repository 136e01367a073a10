#include <memory>
#include <string>
#include <vector>

#include "core/build/pusher.h"

namespace kiln::build {
namespace {

class RegistryDestination final : public store::Destination {
 public:
  RegistryDestination(registry::Client& registry, oci::Repository repository,
                      registry::Access access, BlobRecords records)
      : registry_(registry),
        repository_(std::move(repository)),
        access_(std::move(access)),
        records_(std::move(records)) {}

  std::string name() const override { return repository_.str(); }

  Task<bool> holds(std::string tag, oci::Digest manifest) override {
    const auto reference = oci::Reference::parse(repository_.str() + ":" + tag);
    if (!reference) co_return false;
    const auto now = co_await registry_.resolve(*reference, access_);
    co_return now && now->digest == manifest;
  }

  Task<Result<bool>> link_blob(oci::Descriptor blob,
                               std::optional<oci::Repository> origin) override {
    if (origin && *origin == repository_) co_return true;
    if (presence(blob.digest) == Presence::kThere) co_return true;
    if (origin && origin->registry == repository_.registry) {
      auto mounted = co_await registry_.mount_blob(repository_, blob, *origin, access_);
      // A registry that will not mount (no right to read the origin, say) still takes a copy.
      if (mounted && *mounted) co_return true;
    }
    co_return co_await registry_.has_blob(repository_, blob.digest, access_);
  }

  Task<Result<store::StoreResult>> put_blob(layer::Blob blob) override {
    const auto expected = presence(blob.descriptor().digest);
    if (expected == Presence::kThere) co_return store::StoreResult::kAlreadyPresent;
    Result<registry::PushResult> pushed = registry::PushResult::kAlreadyPresent;
    if (expected == Presence::kAbsent)
      pushed = co_await registry_.send_blob(repository_, std::move(blob), access_);
    else
      pushed = co_await registry_.ensure_blob(repository_, std::move(blob), std::nullopt, access_);
    if (!pushed) co_return std::move(pushed).error();
    switch (*pushed) {
      case registry::PushResult::kUploaded:
        co_return store::StoreResult::kStored;
      case registry::PushResult::kMounted:
        co_return store::StoreResult::kLinked;
      case registry::PushResult::kAlreadyPresent:
        break;
    }
    co_return store::StoreResult::kAlreadyPresent;
  }

  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override {
    return registry_.put_manifest(repository_, std::move(tag), std::move(manifest), access_);
  }

  Task<Result<void>> put_manifest_tags(oci::RawManifest manifest,
                                       std::vector<std::string> tags) override {
    if (tags.size() == 1)
      co_return co_await store::Destination::put_manifest_tags(std::move(manifest),
                                                               std::move(tags));
    std::string names;
    for (const auto& tag : tags) names += (names.empty() ? "" : ", ") + tag;
    auto stored = co_await registry_.put_manifest_tags(repository_, std::move(tags),
                                                       std::move(manifest), access_);
    if (!stored) co_return std::move(stored).error().while_doing("moving the tags " + names);
    co_return stored;
  }

 private:
  Presence presence(const oci::Digest& blob) const {
    return records_ ? records_(blob) : Presence::kUnknown;
  }

  registry::Client& registry_;
  oci::Repository repository_;
  registry::Access access_;
  BlobRecords records_;
};

}  // namespace

std::unique_ptr<store::Destination> registry_destination(registry::Client& registry,
                                                         oci::Repository repository,
                                                         registry::Access access,
                                                         BlobRecords records) {
  return std::make_unique<RegistryDestination>(registry, std::move(repository), std::move(access),
                                               std::move(records));
}

}  // namespace kiln::build
