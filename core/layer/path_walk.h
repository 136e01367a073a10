#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/layer/entry.h"

namespace kiln::layer {

/// What stands at a path, as far as going through it is concerned.
struct PathStep {
  EntryKind kind = EntryKind::kDirectory;
  std::string_view link_target{};  ///< Of a symlink.
};

/// Asked for every path that is gone through, the last one included, with the links before it
/// followed. Unset = nothing is there. The target must stay valid until the next question.
using LookUp = std::function<std::optional<PathStep>(const std::string& path)>;

/// Follows the symlinks in `path`'s directories inside a root, as the kernel would after chroot;
/// the last part only if `follow_last`. Parts that do not exist are kept as they stand. `path` is
/// clean and relative; ".." is allowed only in the links. Errors: kInvalid for more than 40 links
/// (or such as have more than 1024 parts together), when a part above the last is no directory, and
/// for a result of more than 4095 bytes or with a part of more than 255.
[[nodiscard]] Result<std::string> walk_path(std::string_view path, bool follow_last,
                                            const LookUp& look_up);

}  // namespace kiln::layer
