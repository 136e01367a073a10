#pragma once
#include <string>

#include "core/base/error.h"
#include "core/base/process.h"
#include "core/source/git_limits.h"

namespace kiln::source {

/// Of a git that ended itself, as it does over directories that are nested too deeply for its
/// stack.
inline constexpr const char* kGitBrokeDown =
    "git breaks down over this repository; its directories may be nested too deeply";

/// What a git that talked to a server complained about, as an Error of ours; see GitSession::run.
/// `errors`: what it wrote on standard error, in the C locale.
Error remote_git_error(const ExitStatus& status, const std::string& errors,
                       const GitLimits& limits);

}  // namespace kiln::source
