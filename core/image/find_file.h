#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/io.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/layer/entry.h"
#include "core/layer/layer.h"
#include "core/layer/layer_index.h"

namespace kiln::image {

/// How the layers of one image are looked into without fetching all of them.
class LayerAccess {
 public:
  virtual ~LayerAccess() = default;
  virtual std::size_t count() const = 0;  ///< Lowest layer is 0.
  /// The headers of a layer; from a cache where one has it.
  [[nodiscard]] virtual Task<Result<std::shared_ptr<const layer::LayerIndex>>> index(
      std::size_t layer) = 0;
  [[nodiscard]] virtual Task<Result<layer::Blob>> blob(std::size_t layer) = 0;
};

/// Writes the bytes of the file at `path` (absolute) to `out`. Layers are looked at from the top
/// and no further than needed; symlinks are followed inside the image's root, hard links to their
/// file. Errors: kNotFound (naming what is missing, or a dangling link's target), kInvalid (a
/// directory or device; more than 40 links), and those of `layers` and `out`. Lifetime: `layers`,
/// `pool` and `out` outlive the task. `out` is written on the pool.
[[nodiscard]] Task<Result<void>> cat_file(LayerAccess& layers, WorkPool& pool, std::string path,
                                          ByteSink& out);

/// What is at `path` (absolute) of the merged file system: the entries of a directory, by name, or
/// the one entry. Their paths are relative ("usr/bin/sh"). A symlink at the end is followed only if
/// it leads to a directory. `recursive`: everything below. Errors: kNotFound.
[[nodiscard]] Result<std::vector<layer::IndexedEntry>> list_files(const layer::BaseTree& tree,
                                                                  const std::string& path,
                                                                  bool recursive);

}  // namespace kiln::image
