#pragma once
#include <memory>

#include "core/base/task.h"
#include "core/build/base_cache.h"
#include "core/build/builder.h"

namespace kiln::build {

/// Builder::resolve_base, see there. Lifetime: `cache` and `registry` outlive the task.
[[nodiscard]] Task<Result<ResolvedBase>> resolve_base(BaseCache& cache, registry::Client& registry,
                                                      std::shared_ptr<const BuildRequest> request);

}  // namespace kiln::build
