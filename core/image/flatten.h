#pragma once
#include <functional>
#include <string_view>
#include <vector>

#include "core/base/io.h"
#include "core/image/merged_tree.h"
#include "core/layer/layer.h"

namespace kiln::image {

/// The file system that `layers` (lowest first) make together, as one tar: whiteouts and opaque
/// directories applied, nothing hidden left in it, every path once.
///
/// Order: directories first, by path; then files and links, layer by layer as they come; hard links
/// after their file. A hard link whose file an upper layer hides becomes the file, with the others
/// linked to it. A path that an upper layer reaches through a lower layer's symlink stands under
/// its real name. Modes, owners, times (seconds), xattrs and devices as the layers have them; a
/// directory that no layer names is 0755 0:0. Reads every layer twice: headers, then bytes. Memory
/// follows the number of paths, not their size.
///
/// Blocking: for the WorkPool. Errors: of reading the layers (see layer::TarReader), of `out`.
[[nodiscard]] Result<void> write_flat_tar(const std::vector<layer::Blob>& layers, ByteSink& out);

/// The same of those paths only that `wants` takes, of a tree that `layers` make: of a file's names
/// the ones that are not wanted are none of its names. Reads no layer of which nothing is wanted.
[[nodiscard]] Result<void> write_flat_tar(const MergedTree& tree,
                                          const std::vector<layer::Blob>& layers,
                                          const std::function<bool(std::string_view path)>& wants,
                                          ByteSink& out);

/// The same as one compressed layer.
[[nodiscard]] Result<layer::Layer> flatten(const std::vector<layer::Blob>& layers,
                                           const layer::LayerOptions& options);

}  // namespace kiln::image
