#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/task.h"
#include "core/build/base_cache.h"
#include "core/build/request.h"
#include "core/image/image.h"
#include "core/layer/file_tree.h"
#include "core/layer/layer_index.h"

namespace kiln::build {

/// All that layers of content depend on of the base below them (decision 3): which paths of
/// `remove` are there, where destinations lead, and what directories, links and files there are in
/// the places that content may come to.
struct BaseFacts {
  std::string digest{};                 ///< Equal facts have equal ones.
  std::vector<std::string> warnings{};  ///< "remove: /x is not in the base"
};

/// What content is put on: a base without what is taken away from it. Immutable; copies share.
struct Underlay {
  std::shared_ptr<const layer::BaseTree> tree = std::make_shared<const layer::BaseTree>();
  /// What takes it away; empty where that is nothing.
  std::shared_ptr<const layer::FileTree> whiteouts = std::make_shared<const layer::FileTree>();
  std::vector<std::string> warnings{};  ///< "remove: /x is not in the base"
};

/// Errors: those of place_whiteouts() and BaseTree::apply().
[[nodiscard]] Result<Underlay> without(std::shared_ptr<const layer::BaseTree> base,
                                       const std::vector<std::string>& remove);

/// `underlay`: of the base, without what the request removes. Errors: kInvalid, as for a build: a
/// path that is not clean, or that leads through a file.
[[nodiscard]] Result<BaseFacts> facts_of(const BuildRequest& request, const Underlay& underlay);

/// What the layers of bases make together, and facts about it, kept: a thousand builds that ask the
/// same of one base work it out once. Threads: the I/O executor. Lifetime: `cache` outlives it.
class BaseTrees {
 public:
  explicit BaseTrees(BaseCache& cache) : cache_(cache) {}

  /// What the layers make together, without these paths.
  /// Errors: those of reading layers and without(); kInvalid for what no tree can be made of.
  [[nodiscard]] Task<Result<Underlay>> underlay(image::Image image, registry::Access access,
                                                std::vector<std::string> remove);
  /// Errors: those of underlay() and facts_of().
  [[nodiscard]] Task<Result<BaseFacts>> facts(std::shared_ptr<const BuildRequest> request,
                                              image::Image image);
  /// The same where `underlay`, without what the request removes, is there already.
  [[nodiscard]] Result<BaseFacts> facts(const BuildRequest& request, const image::Image& image,
                                        const Underlay& underlay);

 private:
  struct KeptUnderlay {
    std::string key;
    Underlay underlay;
  };

  const Underlay* find(const std::string& key);
  void keep(std::string key, const Underlay& underlay);

  BaseCache& cache_;
  std::list<KeptUnderlay> recent_;  ///< What was used last comes first.
  std::map<std::string, std::list<KeptUnderlay>::iterator> underlays_;  ///< All of them, by key.
  std::size_t kept_paths_ = 0;                                          ///< In their trees.
  std::map<std::string, BaseFacts> facts_;  ///< By all that they are about.
  std::list<std::string> order_;            ///< The oldest first.
};

}  // namespace kiln::build
