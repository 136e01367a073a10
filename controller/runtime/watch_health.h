#pragma once
#include <string>
#include <vector>

#include "controller/obs/health.h"
#include "controller/runtime/watcher.h"

namespace kiln::runtime {

/// What can be said of a watch. Not ready before its first full state; from then on a watch that
/// fails is trouble that is told, no more: everything else goes on, and being out of service
/// would not cure it. One that has not been started is not needed.
[[nodiscard]] obs::Finding judge_watch(const Watcher& watcher, const Clock& clock);

/// "watch-configmaps", "watch-configmaps@web" for the watch of one namespace, and
/// "watch-secrets@web.hooks" for that of one object.
std::string check_name(const Watcher& watcher);

/// Adds one check for each watcher. Lifetime: watchers and clock outlive the checks.
void add_watch_checks(obs::Checks& checks, const std::vector<const Watcher*>& watchers,
                      const Clock& clock);

}  // namespace kiln::runtime
