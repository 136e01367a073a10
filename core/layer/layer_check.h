#pragma once
#include "core/base/io.h"
#include "core/layer/layer_facts.h"

namespace kiln::layer {

/// Reads a layer (plain, gzip or zstd tar) that this program made, to its end, and checks what
/// image-spec v1.1, layer.md asks of a tar: no path twice, parents before children, hard links
/// after their files. For tests and for checking one's own work: keeps every name in memory, has no
/// limits. Blocking: for the WorkPool.
///
/// Errors: kCorrupt with the first thing wrong; the source's own.
[[nodiscard]] Result<LayerFacts> check_layer(ByteSource& compressed);

}  // namespace kiln::layer
