#pragma once
// Images, indexes and artifacts in a FakeRegistry, also such as no tool would make.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/build/base_cache.h"
#include "core/build/registry_reader.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/core/build/build_fixture.h"

namespace kiln::build {

class StoredImages : public BuildFixture {
 protected:
  StoredImages() { forget_what_was_read(); }
  void forget_what_was_read() { base_cache_.emplace(registry_, pool_, clock_, "", ""); }

  std::unique_ptr<store::ImageReader> reader(const std::string& reference) {
    return registry_reader(*base_cache_, registry_, *oci::Reference::parse(reference), access_, "");
  }

  /// An image of one layer; answers what an index says of it.
  oci::Descriptor add_image(const std::string& repository, const std::string& platform,
                            const std::vector<layer::Entry>& entries) {
    auto entry =
        testing::add_image(registry_, repository, platform, entries).manifest().descriptor();
    entry.platform = *oci::Platform::parse(platform);
    return entry;
  }

  /// A manifest of these layers, in the registry as they are, under `tag` if there is one.
  oci::Descriptor add_manifest(const std::string& repository, const std::string& tag,
                               const std::string& config_type, const std::string& config,
                               std::vector<oci::Descriptor> layers) {
    oci::Manifest manifest(std::string(oci::media_type::kOciManifest),
                           registry_.add_blob(repository, config, config_type));
    manifest.layers = std::move(layers);
    oci::RawManifest raw(manifest.media_type, manifest.to_json());
    registry_.add_manifest(repository, tag, raw);
    return raw.descriptor();
  }

  oci::Descriptor add_artifact(const std::string& repository, const std::string& tag,
                               std::vector<oci::Descriptor> layers) {
    return add_manifest(repository, tag, "application/vnd.oci.empty.v1+json", "{}",
                        std::move(layers));
  }

  oci::Descriptor add_titled(const std::string& repository, const std::string& title,
                             const std::string& bytes, const std::string& type = "text/plain") {
    auto layer = registry_.add_blob(repository, bytes, type);
    layer.annotations["org.opencontainers.image.title"] = title;
    return layer;
  }

  oci::Descriptor add_index(const std::string& repository, const std::string& tag,
                            std::vector<oci::Descriptor> entries) {
    oci::Index index{std::string(oci::media_type::kOciIndex)};
    index.manifests = std::move(entries);
    oci::RawManifest raw(index.media_type, index.to_json());
    registry_.add_manifest(repository, tag, raw);
    return raw.descriptor();
  }

  registry::Access access_;
  fakes::ManualClock clock_;
  std::optional<BaseCache> base_cache_;
};

}  // namespace kiln::build
