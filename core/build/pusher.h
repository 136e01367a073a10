#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/build/request.h"
#include "core/image/image.h"
#include "core/registry/client.h"
#include "core/store/destination.h"

namespace kiln::build {

struct PushReport {
  std::uint64_t uploaded_bytes = 0;  ///< Sent now.
  std::uint64_t reused_bytes = 0;    ///< There already, or mounted.
};

/// What happens while pushing, for people. Called on the I/O thread.
struct PushEvent {
  enum class Kind { kUploaded, kReused, kManifest } kind = Kind::kUploaded;
  std::string what;  ///< "layer sha256:1234…", "config …", "index …"
  std::uint64_t bytes = 0;
};
using PushListener = std::function<void(const PushEvent&)>;
/// How to read from a repository: layers may have to come from the registry of their base.
using AccessTo = std::function<registry::Access(const oci::Repository&)>;
/// The same for all.
AccessTo always(registry::Access access);

/// Sends all that `images` needs but the tag: layers and configs (in parallel), manifests, and for
/// an index its children. The top manifest itself goes with publish(). `origins`: how to read
/// layers that only another registry has. Lifetime: `registry` and `destination` outlive the task.
[[nodiscard]] Task<Result<PushReport>> push_content(std::shared_ptr<const image::ImageSet> images,
                                                    store::Destination& destination,
                                                    registry::Client& registry, AccessTo origins,
                                                    PushListener listener);

/// Stores the top manifest under each tag, in order ("" = by digest alone): the commit.
[[nodiscard]] Task<Result<void>> publish(std::shared_ptr<const image::ImageSet> images,
                                         store::Destination& destination,
                                         std::vector<std::string> tags);

/// push_content() and publish(). Both once more where the registry proves to lack what it said it
/// had (kConflict), as after a garbage collection. Where all blobs and all tags are as they should
/// be nothing is written. Lifetime: as push_content().
[[nodiscard]] Task<Result<PushReport>> push_images(std::shared_ptr<const image::ImageSet> images,
                                                   store::Destination& destination,
                                                   registry::Client& registry, AccessTo origins,
                                                   PushListener listener,
                                                   std::vector<std::string> tags);

/// What somebody's records tell of a blob in a repository.
enum class Presence {
  kUnknown,
  kThere,  ///< It is not asked for. If that proves wrong the manifest is refused (kConflict).
  kAbsent  ///< It is sent without asking. If that proves wrong it was sent in vain.
};
using BlobRecords = std::function<Presence(const oci::Digest&)>;

/// A repository of a registry as a destination. `records` null = the registry is asked for all.
/// Lifetime: `registry` outlives it.
std::unique_ptr<store::Destination> registry_destination(registry::Client& registry,
                                                         oci::Repository repository,
                                                         registry::Access access,
                                                         BlobRecords records = nullptr);

}  // namespace kiln::build
