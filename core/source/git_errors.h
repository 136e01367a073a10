#pragma once
#include <string>

#include "core/base/error.h"
#include "core/base/process.h"
#include "core/source/git_limits.h"

namespace kiln::source {

/// What a git that talked to a server complained about, as an Error of ours; see GitSession::run.
/// `errors`: what it wrote on standard error, in the C locale.
Error remote_git_error(const ExitStatus& status, const std::string& errors,
                       const GitLimits& limits);

}  // namespace kiln::source
