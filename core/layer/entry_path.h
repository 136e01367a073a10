#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln::layer {

inline constexpr std::size_t kMaxPathBytes = 4095;  ///< PATH_MAX without its NUL.
inline constexpr std::size_t kMaxPartBytes = 255;   ///< NAME_MAX.

/// Makes a path inside an image from what a user wrote: "/usr/share/" → "usr/share", "/" → "".
/// Errors: kInvalid for "..", ".", "//", NUL, other control characters, more than 4095 bytes, a
/// part of more than 255 bytes; the message says what to write instead.
[[nodiscard]] Result<std::string> clean_absolute_path(std::string_view path);

/// The same for a relative one ("css/site.css"); a leading "/" is an error too, and so is "".
[[nodiscard]] Result<std::string> clean_relative_path(std::string_view path);

/// Errors: kInvalid when a part of `path` begins with ".wh.": such a name means "delete" in a layer
/// and cannot be stored as a file (image-spec v1.1, layer.md, "Whiteouts").
[[nodiscard]] Result<void> refuse_whiteout_names(std::string_view path);

std::string_view parent_of(std::string_view path);  ///< "usr/share" → "usr"; "usr" → "".
std::string_view name_of_path(std::string_view path);
std::string join_path(std::string_view directory, std::string_view name);

}  // namespace kiln::layer
