#pragma once
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln::cli {

/// How what is typed is shown.
enum class Echo { kOn, kOff };

/// Asks on standard error and reads one line from a terminal. With Echo::kOff nothing of it is
/// shown, and the terminal is as before when this returns, also after a stop.
/// Errors: kCancelled for a stop and for an end of input; kInvalid where `fd` is no terminal.
/// Blocks until there is a line: for the WorkPool.
[[nodiscard]] Result<std::string> ask(int fd, std::string_view question, Echo echo,
                                      std::stop_token stop);

/// All there is to read as one secret, without the line break at its end that `echo` leaves.
/// Errors: kCancelled for a stop; kInvalid for nothing and for more than 64 KiB.
/// Blocks until the end: for the WorkPool.
[[nodiscard]] Result<std::string> read_secret(int fd, std::stop_token stop);

}  // namespace kiln::cli
