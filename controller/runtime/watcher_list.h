#pragma once
#include <initializer_list>
#include <list>
#include <string>
#include <vector>

#include "controller/runtime/watcher.h"

namespace kiln::runtime {

/// Watchers do not move, so they stand in a list.
using WatcherList = std::list<Watcher>;

/// What is watched of a type.
struct WatchScope {
  std::vector<std::string> namespaces{};  ///< Empty = all; else rights in these are enough.
  Watcher::Options each{};                ///< Of each watcher, but for the namespace.
};

/// One watcher for all namespaces, or one for each of those named. Lifetime: as Watcher's.
[[nodiscard]] WatcherList watch_namespaces(kube::Client& client, kube::ResourceType type,
                                           WatchHandler& handler, const Clock& clock,
                                           const WatchScope& scope);

/// All watchers of some lists, for those who use them (T = Watcher) or look at them (const
/// Watcher).
template <class T>
std::vector<T*> pointers_to(std::initializer_list<WatcherList*> lists) {
  std::vector<T*> all;
  for (auto* list : lists)
    for (auto& watcher : *list) all.push_back(&watcher);
  return all;
}

}  // namespace kiln::runtime
