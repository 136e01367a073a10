#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "core/base/task.h"
#include "core/build/base_trees.h"
#include "core/build/builder.h"
#include "core/build/layer_maker.h"

namespace kiln::build {

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
