#include "controller/runtime/watch_health.h"

#include <chrono>

#include "core/base/time_text.h"

namespace kiln::runtime {

obs::Finding judge_watch(const Watcher& watcher, const Clock& clock) {
  if (!watcher.started()) return obs::Finding::good("not needed");
  auto words = std::string(name_of(watcher.state()));
  const auto& failure = watcher.last_failure();
  if (!failure.empty()) words += "; " + failure;
  if (!watcher.synced()) return obs::Finding::bad("nothing is known yet: " + words);
  if (!failure.empty()) return obs::Finding::troubled(words);
  const auto quiet = std::chrono::duration_cast<std::chrono::seconds>(clock.steady_now() -
                                                                      watcher.last_activity());
  return obs::Finding::good(words + ", last heard of " + format_duration(quiet) + " ago");
}

std::string check_name(const Watcher& watcher) {
  const auto& where = watcher.watched_namespace();
  const auto& what = watcher.watched_name();
  return "watch-" + watcher.name() + (where.empty() ? "" : "@" + where) +
         (what.empty() ? "" : "." + what);
}

void add_watch_checks(obs::Checks& checks, const std::vector<const Watcher*>& watchers,
                      const Clock& clock) {
  for (const auto* watcher : watchers)
    checks.add(check_name(*watcher), [watcher, &clock] { return judge_watch(*watcher, clock); });
}

}  // namespace kiln::runtime
