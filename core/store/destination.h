#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/base/task.h"
#include "core/image/image.h"
#include "core/layer/layer.h"
#include "core/oci/manifest.h"

namespace kiln::store {

enum class StoreResult { kStored, kLinked, kAlreadyPresent };

/// A place where images go: a repository of a registry, an OCI layout, an archive.
/// The order of calls is the commit order: blobs, configs, manifests, index, and the tag last.
/// Threads: the I/O executor. Cancellation: safe; leaves no tag that points at something
/// incomplete.
class Destination {
 public:
  virtual ~Destination() = default;
  /// For messages and the last line of the command: "registry.example.com/team/site", "oci:DIR".
  virtual std::string name() const = 0;
  /// False where only one image of one platform can be.
  virtual bool holds_indexes() const { return true; }

  /// True if the tag is there and holds this manifest. False also where that cannot be told.
  [[nodiscard]] virtual Task<bool> holds(std::string, oci::Digest) { co_return false; }

  /// True if the blob is there already, or could be taken over without sending bytes.
  /// `origin`: the repository that has it.
  [[nodiscard]] virtual Task<Result<bool>> link_blob(oci::Descriptor blob,
                                                     std::optional<oci::Repository> origin) = 0;
  [[nodiscard]] virtual Task<Result<StoreResult>> put_blob(layer::Blob blob) = 0;
  /// `tag` "" = by digest alone.
  [[nodiscard]] virtual Task<Result<void>> put_manifest(oci::RawManifest manifest,
                                                        std::string tag) = 0;
  /// Under each of several tags; in one step, or all at once, where the place can do that. None is
  /// "".
  [[nodiscard]] virtual Task<Result<void>> put_manifest_tags(oci::RawManifest manifest,
                                                             std::vector<std::string> tags) {
    for (const auto& tag : tags) {
      auto stored = co_await put_manifest(manifest, tag);
      if (!stored) co_return std::move(stored).error().while_doing("moving the tag " + tag);
    }
    co_return Result<void>();
  }
};

}  // namespace kiln::store
