#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/build/base_trees.h"
#include "core/build/builder.h"
#include "core/build/layer_records.h"
#include "core/build/unmade_layers.h"
#include "core/source/late_identity.h"

namespace kiln::build {

/// Makes layers from trees, several at a time, each distinct tree once: platforms whose base says
/// the same about the touched paths share a layer, the small layers made last are kept for the next
/// build, and what larger ones are is kept even for the next process: those are made again only
/// where somebody wants their bytes.
/// Threads: the I/O executor; the work itself runs on the pool.
class LayerMaker {
 public:
  using Watch = std::function<layer::Progress(std::uint64_t total_bytes)>;

  /// `watch`: see Builder::Options::watch_layers. `records`: shared with the layers that are found
  /// by them.
  LayerMaker(WorkPool& pool, std::string spool_dir, Watch watch,
             std::shared_ptr<LayerRecords> records)
      : pool_(pool),
        spool_dir_(std::move(spool_dir)),
        watch_(std::move(watch)),
        records_(std::move(records)),
        unmade_(pool, records_) {}

  using Trees = std::vector<std::shared_ptr<const layer::FileTree>>;
  using Made = std::map<std::string, layer::Layer>;  ///< By what makes layers equal.

  /// What one build knows late, and who takes its layers (null = nobody).
  struct Ways {
    source::LateIdentities late{};
    LayerTaker taker{};
  };

  /// A layer for each tree, in order. `made`: those of this build so far, which are not made again.
  /// Errors: also those of the taker. Lifetime: `made` outlives the task.
  [[nodiscard]] Task<Result<std::vector<layer::Layer>>> make(
      Trees trees, std::shared_ptr<const BuildRequest> request, std::shared_ptr<const Ways> ways,
      Made& made);

  UnmadeLayers& unmade() { return unmade_; }

 private:
  Task<Result<std::vector<std::string>>> identify(Trees trees);
  Task<Result<std::string>> identify_one(std::shared_ptr<const layer::FileTree> tree);
  Task<Result<layer::Layer>> make_one(std::string key, std::string how,
                                      std::shared_ptr<const layer::FileTree> tree,
                                      layer::LayerOptions options,
                                      std::shared_ptr<const Ways> ways);
  layer::LayerOptions options_for(const BuildRequest& request, const Ways& ways) const;
  std::optional<layer::Layer> find(const std::string& key,
                                   const std::shared_ptr<const layer::FileTree>& tree,
                                   const layer::LayerOptions& options);
  bool to_be_recorded(const layer::FileTree& tree, const source::LateIdentities& late) const;
  layer::Progress watch(const Trees& trees) const;
  void keep(const std::string& key, const layer::Layer& layer);

  WorkPool& pool_;
  std::string spool_dir_;
  Watch watch_;
  std::shared_ptr<LayerRecords> records_;
  UnmadeLayers unmade_;
  std::map<std::string, layer::Layer> kept_;
  std::list<std::string> order_;
  std::uint64_t kept_bytes_ = 0;
};

/// Builder::assemble, see there. Lifetime: `trees` and `maker` outlive the task.
[[nodiscard]] Task<Result<Assembled>> assemble(
    BaseTrees& trees, LayerMaker& maker, std::shared_ptr<const BuildRequest> request,
    std::shared_ptr<const ResolvedImage> base,
    std::shared_ptr<const std::vector<FetchedContent>> content, LayerTaker taker);

/// Builder::reassemble, see there. Lifetime: `trees` outlives the task.
[[nodiscard]] Task<Result<std::optional<Assembled>>> reassemble(
    BaseTrees& trees, std::shared_ptr<const BuildRequest> request,
    std::shared_ptr<const ResolvedImage> base,
    std::shared_ptr<const std::vector<FetchedContent>> content,
    std::shared_ptr<const EarlierLayers> earlier);

/// The base's image with `layers` on top, each with its line of history, and the request's changes
/// of the configuration.
image::Image put_on_base(const PlatformImage& base, const std::vector<layer::Layer>& layers,
                         const std::vector<std::string>& lines, const BuildRequest& request);

}  // namespace kiln::build
