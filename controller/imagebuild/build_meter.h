#pragma once
#include "controller/imagebuild/build_pass.h"
#include "controller/obs/metrics.h"

namespace kiln::imagebuild {

/// Counts a pass that has ended, with its status as it is going to be written: the build, if there
/// was one; the failure, if it is one; that its base was looked up.
void meter_pass(obs::Metrics& metrics, const BuildPass& pass, const Result<Next>& last);

/// Copies what `view` knows each time the metrics are read. Lifetime: it is there as long.
void meter_view(obs::Metrics& metrics, const ClusterView& view);

}  // namespace kiln::imagebuild
