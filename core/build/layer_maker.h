#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/base/shelf.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/build/builder.h"
#include "core/build/layer_draft.h"
#include "core/build/layer_records.h"
#include "core/build/unmade_layers.h"
#include "core/source/late_identity.h"

namespace kiln::build {

/// Makes layers, several at a time, each distinct tree once: platforms whose base says the same
/// about the touched paths share a layer, the small layers made last are kept for the next
/// build, and what larger ones are is kept even for the next process: those are made again only
/// where somebody wants their bytes.
/// Threads: the I/O executor; the work itself runs on the pool, unless it is quickly done.
class LayerMaker {
 public:
  using Watch = std::function<layer::Progress(std::uint64_t total_bytes)>;

  /// `watch`: see Builder::Options::watch_layers. `records`: shared with the layers that are found
  /// by them.
  LayerMaker(WorkPool& pool, std::string spool_dir, Watch watch,
             std::shared_ptr<LayerRecords> records);

  using Made = std::map<std::string, layer::Layer>;  ///< By what makes layers equal.

  /// What one build knows late, and who takes its layers (null = nobody).
  struct Ways {
    source::LateIdentities late{};
    LayerTaker taker{};
  };

  /// A layer for each draft, in order. `made`: those of this build so far, which are not made
  /// again. Errors: also those of the taker. Lifetime: `made` outlives the task.
  [[nodiscard]] Task<Result<std::vector<layer::Layer>>> make(
      LayerDrafts drafts, std::shared_ptr<const BuildRequest> request,
      std::shared_ptr<const Ways> ways, Made& made);

  UnmadeLayers& unmade() { return unmade_; }

 private:
  using Draft = std::shared_ptr<const LayerDraft>;
  /// One that nobody has.
  struct Missing {
    std::string key;
    Draft draft;
    Missing(std::string k, Draft d) : key(std::move(k)), draft(std::move(d)) {}
  };

  /// On the pool, or here at once.
  template <class F>
  Task<std::invoke_result_t<F>> run(bool at_once, F work);
  Task<Result<LayerDrafts>> look_at(LayerDrafts drafts, std::shared_ptr<const Ways> ways);
  Task<Result<Draft>> look_at_one(Draft draft, std::shared_ptr<const Ways> ways);
  Task<Result<layer::Layer>> make_one(Missing missing, std::string how, layer::LayerOptions options,
                                      std::shared_ptr<const Ways> ways);
  static Task<Result<layer::Layer>> send(layer::Layer found, std::shared_ptr<const Ways> ways);
  layer::LayerOptions options_for(const BuildRequest& request, const Ways& ways) const;
  std::optional<layer::Layer> find(const std::string& key, const Draft& draft,
                                   const layer::LayerOptions& options);
  bool is_worth_a_record(const DraftFacts& facts) const;
  layer::Progress watch(const std::vector<Missing>& all) const;

  WorkPool& pool_;
  std::string spool_dir_;
  Watch watch_;
  std::shared_ptr<LayerRecords> records_;
  UnmadeLayers unmade_;
  Shelf<layer::Layer> kept_;  ///< Those that take no longer to find than to make.
};

}  // namespace kiln::build
