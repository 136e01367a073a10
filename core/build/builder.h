#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/build/base_listener.h"
#include "core/build/request.h"
#include "core/image/image.h"
#include "core/layer/layer_index.h"
#include "core/registry/client.h"
#include "core/source/source.h"
#include "core/store/destination.h"
#include "core/store/image_reader.h"

namespace kiln::build {

/// One platform of an image that was looked up.
struct PlatformImage {
  oci::Platform platform;
  oci::Descriptor descriptor;  ///< Of this platform's manifest.
  image::Image image;
};

/// An image as it is now, a base say: pinned by digest.
struct ResolvedImage {
  std::optional<oci::Digest> digest{};  ///< What its name pointed at; unset = scratch.
  std::vector<PlatformImage> platforms{};
  bool is_index = false;
  bool docker_media_types = false;
  oci::Annotations annotations{};  ///< Of the index.
  /// Asked for, but not in the image: the caller's error to make. assemble() refuses such a base.
  std::vector<oci::Platform> missing_platforms{};
  std::vector<std::string> warnings{};  ///< "skipped windows/amd64: …"
};

/// One content entry as it was fetched.
struct FetchedContent {
  source::Content content{};
  std::string description{};
};

/// An image that is ready to be pushed.
struct Assembled {
  image::ImageSet images{};
  std::vector<layer::Layer> layers{};   ///< Ours, in order, each once.
  std::vector<std::string> lines{};     ///< The line of each of them in the images' history.
  std::string layers_key{};             ///< See EarlierLayers; "" = they are not to be used again.
  std::vector<std::string> warnings{};  ///< "remove: /x is not in the base"; those of content.
};

/// A layer that an earlier build has made and pushed.
struct EarlierLayer {
  oci::Descriptor descriptor;
  oci::Digest diff_id;
  std::string line;  ///< Its line in the image's history.

  EarlierLayer(oci::Descriptor d, oci::Digest id, std::string l)
      : descriptor(std::move(d)), diff_id(std::move(id)), line(std::move(l)) {}
};

/// All layers that an earlier build has put onto each platform of its base, lowest first.
struct EarlierLayers {
  /// A digest over the layers and all that decided them: content, encoder and output, and the facts
  /// of the base that they depend on (decision 3 of docs/architecture.md). 64 hex characters.
  std::string key{};
  std::vector<EarlierLayer> layers{};
  std::optional<oci::Repository> repository{};  ///< Where they were pushed to.
};

/// What is wanted from an image in a registry: the folder or file at a path, see ImageContent.
struct ImageContentRequest {
  oci::Reference reference;
  std::string path;  ///< Absolute; "/" = all of it.
  registry::Access access{};
  /// How old an answer may be that tells what the tag points at; 0 = the registry is asked now.
  std::chrono::milliseconds max_age{0};
  /// If the reference still stands for this revision, nothing is read: see Content::unread.
  std::optional<source::KnownContent> known{};

  ImageContentRequest(oci::Reference r, std::string p)
      : reference(std::move(r)), path(std::move(p)) {}
};

/// Gets a layer as soon as it is made or found, while others are still being made. Called on the
/// I/O thread.
using LayerTaker = std::function<Task<Result<void>>(layer::Layer)>;

/// The engine's front door. The steps can be called one by one (the controller looks at the input
/// key between them) or all at once through assemble_all().
///
/// Threads: the I/O executor; heavy work goes to the pool. Cancellation: between and within steps.
/// Lifetime: registry and pool outlive the builder and all its tasks.
class Builder {
 public:
  struct Options {
    std::filesystem::path cache_dir{};  ///< Facts about layers are kept here; "" = memory only.
    std::string spool_dir{};            ///< For large layers; "" = $TMPDIR.
    /// Called when layers are about to be made, with the size of their files; what it answers is
    /// told how far that is, and let go of when they are made. Empty = nobody listens.
    std::function<layer::Progress(std::uint64_t total_bytes)> watch_layers{};
    /// What layers are is kept in cache_dir too, and those that earlier builds have made are not
    /// made before somebody wants their bytes. Images are to be pushed through making(): without
    /// it, a layer is made on the thread that opens it.
    bool recall_layers = false;
    const Clock* clock = nullptr;  ///< For the age of answers; null = the system's.
  };

  Builder(registry::Client& registry, WorkPool& pool, Options options);
  ~Builder();

  /// Fetches every content entry, in order.
  /// Errors: those of the sources, prefixed with which entry it was.
  [[nodiscard]] Task<Result<std::vector<FetchedContent>>> fetch_content(
      std::shared_ptr<const BuildRequest> request);

  /// Resolves the tag (once for all who ask at the same time or take an older answer, see
  /// BaseRequest::max_age), reads index, manifests and configs (kept by digest), picks the
  /// platforms. Errors: kNotFound (no such image) and those of the registry. A platform that was
  /// asked for and is not there is no error here, see ResolvedImage::missing_platforms.
  [[nodiscard]] Task<Result<ResolvedImage>> resolve_base(
      std::shared_ptr<const BuildRequest> request);

  /// Makes layers and images. Reads the base's layer headers the first time it meets a base.
  /// Content may be known late: then layers are recorded as if it had been known at once.
  /// Each layer goes to `taker` (null = nobody takes them), also one that an earlier build has
  /// made. The bytes of those that are made are let go of then: they are made again for whoever
  /// wants them after all, see making(). Only a few layers are in memory at a time.
  ///
  /// Errors: kInvalid where content and base do not fit together, saying what to add to `remove`;
  /// those of `taker`, as they are.
  [[nodiscard]] Task<Result<Assembled>> assemble(
      std::shared_ptr<const BuildRequest> request, std::shared_ptr<const ResolvedImage> base,
      std::shared_ptr<const std::vector<FetchedContent>> content, LayerTaker taker = nullptr);

  /// `inner`, where a layer that an earlier build made (see Options::recall_layers) is made again
  /// only if it is not there. Errors of put_blob(): also kInternal, see records_were_wrong().
  /// Lifetime: this and `inner` outlive it.
  std::unique_ptr<store::Destination> making(store::Destination& inner);
  /// Such a layer was another one: what was assembled before has to be assembled again. What is
  /// kept of earlier builds' layers is not believed any more then.
  bool records_were_wrong() const;

  /// Decision 7: the image on this base out of layers that are there already. nullopt where they
  /// are not the ones that assemble() would make, or cannot be shown to be. Nothing of the content
  /// is looked at but its identity, so it may be unread. Whether the repository still has them is
  /// for the caller to ask. Errors: those of reading the base's layer headers; kInvalid as
  /// assemble(). Precondition: no platform is missing.
  [[nodiscard]] Task<Result<std::optional<Assembled>>> reassemble(
      std::shared_ptr<const BuildRequest> request, std::shared_ptr<const ResolvedImage> base,
      std::shared_ptr<const std::vector<FetchedContent>> content,
      std::shared_ptr<const EarlierLayers> earlier);

  /// The three in one, for callers who need not look between them. Warnings are those of all.
  /// Errors: theirs.
  [[nodiscard]] Task<Result<Assembled>> assemble_all(std::shared_ptr<const BuildRequest> request);

  /// An image in a registry, for reading: what is known of it by digest is not asked again.
  std::unique_ptr<store::ImageReader> reader(oci::Reference reference, registry::Access access);
  /// Content that is copied out of an image in a registry. What was read by digest is kept for a
  /// while, and a tag is looked up as a base's. Errors of fetching it: as ImageContent, and those
  /// of the registry. Lifetime: the builder outlives the source.
  std::shared_ptr<source::Source> image_content(ImageContentRequest request);
  /// What is known of where a tag points is out of date, also what is asked until `until` from now.
  void forget_base(const oci::Reference& reference, std::chrono::milliseconds until);
  /// From now on `listener` hears of the tags of bases and of images that content is copied from.
  /// Lifetime: it outlives the builder's tasks.
  void follow_bases(BaseListener& listener);
  /// The headers of a layer, kept by digest. Errors: those of reading it.
  [[nodiscard]] Task<Result<std::shared_ptr<const layer::LayerIndex>>> layer_index(
      image::LayerSource source, registry::Access access);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Decides whether anything must be built: equal keys mean equal images. Decision 5 of
/// docs/architecture.md lists what is in it and what is not. 64 hex characters.
std::string input_key(const BuildRequest& request, const ResolvedImage& base,
                      const std::vector<FetchedContent>& content);

/// EarlierLayers::key of these layers. `facts`: see facts_of().
std::string layers_key(const BuildRequest& request, const std::vector<FetchedContent>& content,
                       std::string_view facts, const std::vector<EarlierLayer>& layers);

/// "kiln-" and the first 12 characters of an input key: the tag that keeps a history entry alive.
std::string history_tag(std::string_view input_key);

}  // namespace kiln::build
