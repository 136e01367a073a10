#pragma once
#include <optional>
#include <string>
#include <utility>

#include "controller/kube/object.h"
#include "core/base/error.h"

namespace kiln::kube {

enum class WatchEventType {
  kAdded,
  kModified,
  kDeleted,
  kBookmark,     ///< Only `resource_version` (and initial_events_end) counts.
  kError,        ///< `error` says what; the stream is over after it.
  kUndecodable,  ///< A line or object that cannot be read: to be counted and skipped.
};

/// One line of a watch.
struct WatchEvent {
  WatchEventType type;
  std::optional<Object> object{};    ///< For kAdded, kModified, kDeleted.
  std::optional<ObjectKey> known{};  ///< In the place of `object`, see WatchOptions::is_known.
  std::string resource_version{};    ///< How far the watch has come with this event; "" unknown.
  bool initial_events_end = false;   ///< A bookmark that ends the initial events of a WatchList.
  Error error{};                     ///< For kError (kGone: start over) and kUndecodable (why).

  explicit WatchEvent(WatchEventType t) : type(t) {}  // No aggregate: may travel through co_await.
};

}  // namespace kiln::kube
