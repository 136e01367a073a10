#pragma once
#include <list>
#include <map>
#include <string>
#include <vector>

#include "core/base/task.h"
#include "core/build/base_cache.h"
#include "core/build/request.h"
#include "core/image/image.h"
#include "core/layer/layer_index.h"

namespace kiln::build {

/// All that layers of content depend on of the base below them (decision 3): which paths of
/// `remove` are there, where destinations lead, and what directories, links and files there are in
/// the places that content may come to.
struct BaseFacts {
  std::string digest{};                 ///< Equal facts have equal ones.
  std::vector<std::string> warnings{};  ///< "remove: /x is not in the base"
};

/// `base`: what its layers make together. Errors: kInvalid, as for a build: a path that is not
/// clean, or that leads through a file.
[[nodiscard]] Result<BaseFacts> facts_of(const BuildRequest& request, layer::BaseTree base);

/// What the layers of bases make together, and facts about it, kept: a thousand builds that ask the
/// same of one base work it out once. Threads: the I/O executor. Lifetime: `cache` outlives it.
class BaseTrees {
 public:
  explicit BaseTrees(BaseCache& cache) : cache_(cache) {}

  /// Errors: those of reading layers; kInvalid for what no tree can be made of.
  [[nodiscard]] Task<Result<layer::BaseTree>> tree(image::Image image, registry::Access access);
  /// Errors: those of tree() and facts_of().
  [[nodiscard]] Task<Result<BaseFacts>> facts(std::shared_ptr<const BuildRequest> request,
                                              image::Image image);
  /// The same where `tree` is there already.
  [[nodiscard]] Result<BaseFacts> facts(const BuildRequest& request, const image::Image& image,
                                        const layer::BaseTree& tree);

 private:
  BaseCache& cache_;
  std::map<std::string, BaseFacts> facts_;  ///< By all that they are about.
  std::list<std::string> order_;            ///< The oldest first.
};

}  // namespace kiln::build
