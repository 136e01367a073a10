#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/shared_answers.h"
#include "core/base/shelf.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/build/base_cache.h"
#include "core/build/request.h"
#include "core/image/image.h"
#include "core/layer/file_tree.h"
#include "core/layer/layer_index.h"

namespace kiln::build {

/// What content is put on: a base without what is taken away from it. Immutable; copies share.
struct Underlay {
  std::shared_ptr<const layer::BaseTree> tree = std::make_shared<const layer::BaseTree>();
  /// What takes it away; empty where that is nothing.
  std::shared_ptr<const layer::FileTree> whiteouts = std::make_shared<const layer::FileTree>();
  std::vector<std::string> warnings{};  ///< "remove: /x is not in the base"
};

/// Errors: those of place_whiteouts() and BaseTree::apply().
[[nodiscard]] Result<Underlay> without(layer::BaseTree base,
                                       const std::vector<std::string>& remove);

/// All that layers of content depend on of the base below them (decision 3): which paths of
/// `remove` are there, where destinations lead, and what directories, links and files there are in
/// the places that content may come to.
struct BaseFacts {
  std::string digest{};  ///< Equal facts have equal ones.
  /// Of its tree what the facts are about: content is put on it as on the whole.
  Underlay underlay{};
};

/// `whole`: the base without what the request removes. Errors: kInvalid, as for a build: a path
/// that is not clean, or that leads through a file.
[[nodiscard]] Result<BaseFacts> facts_of(const BuildRequest& request, const Underlay& whole);

/// What the layers of bases make together, and facts about it. Those are kept: a thousand builds
/// that ask the same of one base work it out once. Threads: the I/O executor; the work itself runs
/// on the pool, unless it is quickly done. Lifetime: all that it is made with outlives it.
class BaseTrees {
 public:
  BaseTrees(BaseCache& cache, WorkPool& pool, const Clock& clock);

  /// All of it, made anew.
  /// Errors: those of reading layers; kInvalid for what no tree can be made of.
  [[nodiscard]] Task<Result<layer::BaseTree>> tree(image::Image image, registry::Access access);
  /// Errors: those of tree(), without() and facts_of().
  [[nodiscard]] Task<Result<BaseFacts>> facts(std::shared_ptr<const BuildRequest> request,
                                              image::Image image);

 private:
  using Layers = std::vector<std::shared_ptr<const layer::LayerIndex>>;

  Task<Result<Layers>> layers(image::Image image, registry::Access access);
  Task<Result<BaseFacts>> work_out(std::shared_ptr<const BuildRequest> request, Layers layers);

  BaseCache& cache_;
  WorkPool& pool_;
  SharedAnswers<BaseFacts> under_way_;
  Shelf<BaseFacts> kept_;  ///< By what they are about.
};

}  // namespace kiln::build
