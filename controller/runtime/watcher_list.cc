#include "controller/runtime/watcher_list.h"

#include <utility>

namespace kiln::runtime {

WatcherList watch_namespaces(kube::Client& client, kube::ResourceType type, WatchHandler& handler,
                             const Clock& clock, const WatchScope& scope) {
  WatcherList watchers;
  const auto add = [&](const std::string& name) {
    auto options = scope.each;
    options.machine.selection.namespace_ = name;
    watchers.emplace_back(client, type, handler, clock, std::move(options));
  };
  for (const auto& name : scope.namespaces) add(name);
  if (scope.namespaces.empty()) add("");
  return watchers;
}

}  // namespace kiln::runtime
