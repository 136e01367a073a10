#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace kiln::cli {

/// `--progress`: on a terminal lines of what is done; in a pipe nothing.
enum class Progress { kAuto, kPlain, kNone };

/// Chooses for this process; kAuto looks whether standard error is a terminal.
void set_progress(Progress progress);

/// One line of progress on standard error, or nothing.
void tell(std::string_view line);
void warn(std::string_view line);  ///< "warning: …" on standard error, always.
void fail(std::string_view line);  ///< "error: …" on standard error, always.

/// "1.2 MB", "640 B": decimal units, as registries count.
std::string human_bytes(std::uint64_t bytes);

}  // namespace kiln::cli
