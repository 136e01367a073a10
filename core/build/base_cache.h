#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/shared_answers.h"
#include "core/base/shelf.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/build/base_listener.h"
#include "core/image/image.h"
#include "core/layer/layer_index.h"
#include "core/oci/manifest.h"
#include "core/registry/client.h"

namespace kiln::build {

/// Who asks this of the same way and with the same credentials gets the same answer. It tells
/// nothing of them.
std::string question(std::string_view what, const oci::Repository& repository,
                     const registry::Access& access);

/// What is known of base images, kept by digest: manifests and configs (in memory), and the headers
/// of layers (in memory and, given a folder, on disk). All of it can be had again, so any of it may
/// go. What several builds want at the same time is asked for once; but nobody gets an answer that
/// was asked for with other credentials, or in another way. Threads: the I/O executor.
class BaseCache {
 public:
  BaseCache(registry::Client& registry, WorkPool& pool, const Clock& clock,
            std::filesystem::path directory, std::string spool_dir);

  /// What a tag points at. `max_age`: see SharedAnswers::get().
  [[nodiscard]] Task<Result<oci::Descriptor>> resolve(oci::Reference reference,
                                                      registry::Access access,
                                                      std::chrono::milliseconds max_age);
  /// See Builder::forget_base() and Builder::follow_bases().
  void forget(const oci::Reference& reference, std::chrono::milliseconds until) {
    tops_.forget(reference.str(), until);
  }
  void follow(BaseListener& listener) { listener_ = &listener; }

  /// A manifest by digest, or by tag (then always asked).
  [[nodiscard]] Task<Result<oci::RawManifest>> manifest(oci::Reference reference,
                                                        registry::Access access);
  [[nodiscard]] Task<Result<std::string>> config(oci::Repository repository, oci::Descriptor blob,
                                                 registry::Access access);
  /// The headers of one layer; reads it the first time, downloading it where it is in a registry.
  /// A layer of unknown format has no headers here: it is copied, never read. One of more than 64
  /// GiB is kInvalid and not downloaded.
  [[nodiscard]] Task<Result<std::shared_ptr<const layer::LayerIndex>>> layer_index(
      image::LayerSource source, registry::Access access);

 private:
  using SharedIndex = std::shared_ptr<const layer::LayerIndex>;
  Task<Result<oci::Descriptor>> ask_registry(std::string question, oci::Reference reference,
                                             registry::Access access);
  Task<Result<oci::RawManifest>> fetch_manifest(oci::Reference reference, registry::Access access);
  Task<Result<std::string>> fetch_config(std::string key, oci::Repository repository,
                                         oci::Descriptor blob, registry::Access access);
  Task<Result<SharedIndex>> make_index(image::LayerSource source, registry::Access access);
  Task<Result<layer::LayerIndex>> read_index(image::LayerSource source, registry::Access access);
  std::filesystem::path index_path(const oci::Digest& digest) const;

  registry::Client& registry_;
  WorkPool& pool_;
  std::filesystem::path directory_;
  std::string spool_dir_;
  BaseListener* listener_ = nullptr;
  SharedAnswers<oci::Descriptor> tops_;
  // What is under way. What is there already is below.
  SharedAnswers<oci::RawManifest> manifests_;
  SharedAnswers<std::string> configs_;
  SharedAnswers<SharedIndex> layers_;
  Shelf<std::string> texts_;
  Shelf<SharedIndex> indexes_;  // Shared: a build holds on to an index while this may drop it.
};

}  // namespace kiln::build
