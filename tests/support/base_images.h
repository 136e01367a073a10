#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/image/image.h"
#include "core/layer/layer.h"
#include "tests/support/fake_registry.h"

namespace kiln::testing {

inline layer::Entry directory(std::string path, std::uint32_t mode = 0755,
                              std::uint32_t owner = 0) {
  layer::Entry entry(std::move(path), layer::EntryKind::kDirectory);
  entry.mode = mode;
  entry.uid = entry.gid = owner;
  return entry;
}

inline layer::Entry file(std::string path, std::string bytes, std::uint32_t mode = 0644) {
  layer::Entry entry(std::move(path), layer::EntryKind::kFile);
  entry.mode = mode;
  entry.identity = oci::Digest::of(bytes).str();
  entry.content = layer::FileContent(std::make_shared<const std::string>(std::move(bytes)));
  return entry;
}

inline layer::Entry symlink(std::string path, std::string target) {
  layer::Entry entry(std::move(path), layer::EntryKind::kSymlink);
  entry.mode = 0777;
  entry.link_target = std::move(target);
  return entry;
}

/// A small usr-merged system as nginx images have it: /bin → usr/bin, /tmp 1777, a folder of uid
/// 101.
inline std::vector<layer::Entry> nginx_like_entries() {
  return {symlink("bin", "usr/bin"),
          directory("tmp", 01777),
          directory("usr"),
          directory("usr/bin"),
          file("usr/bin/sh", "#!", 0755),
          directory("usr/share"),
          directory("usr/share/nginx"),
          directory("usr/share/nginx/html"),
          file("usr/share/nginx/html/index.html", "welcome"),
          directory("var"),
          directory("var/cache"),
          directory("var/cache/nginx", 0750, 101),
          symlink("var/run", "/run"),
          directory("run")};
}

/// An image made of one layer of `entries`, with its layer and config stored in `repository`.
inline image::Image add_image(fakes::FakeRegistry& registry, const std::string& repository,
                              const std::string& platform,
                              const std::vector<layer::Entry>& entries) {
  layer::FileTree tree;
  for (const auto& entry : entries) (void)tree.add(entry).value();
  const auto layer = layer::make_layer(tree, {}).value();
  auto image = image::Image::scratch(*oci::Platform::parse(platform), "2024-01-01T00:00:00Z", false)
                   .with_layer(layer, {"2024-01-01T00:00:00Z", "ADD rootfs"});
  oci::ConfigPatch patch;
  patch.entrypoint = std::vector<std::string>{"/docker-entrypoint.sh"};
  patch.args = std::vector<std::string>{"nginx"};
  patch.env = {{"PATH", "/usr/bin"}};
  image = image.with_config(image.config().with_patch(patch));
  const auto put = [&](const layer::Blob& blob) {
    auto source = blob.open().value();
    registry.add_blob(repository, read_all(*source, 1 << 28).value(), blob.descriptor().media_type);
  };
  put(layer.blob);
  put(image.config_blob());
  registry.add_manifest(repository, "", image.manifest());
  return image;
}

/// A two-platform base under `tag`; answers the index's digest.
inline oci::Digest add_base(fakes::FakeRegistry& registry, const std::string& repository,
                            const std::string& tag,
                            const std::vector<layer::Entry>& entries = nginx_like_entries()) {
  image::ImageSet set;
  set.as_index = true;
  set.images.push_back(add_image(registry, repository, "linux/amd64", entries));
  set.images.push_back(add_image(registry, repository, "linux/arm64", entries));
  return registry.add_manifest(repository, tag, set.index());
}

}  // namespace kiln::testing
