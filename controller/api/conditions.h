#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time_text.h"

namespace kiln::api {

/// One line of status.conditions. Source: Kubernetes API conventions, "Typical status properties".
struct Condition {
  std::string type;
  std::string status;  ///< "True", "False" or "Unknown".
  std::int64_t observed_generation = 0;
  std::string last_transition_time{};  ///< RFC 3339; set by set_condition().
  std::string reason{};
  std::string message{};

  Condition() = default;
  Condition(std::string t, bool holds, std::int64_t generation, std::string r, std::string m)
      : type(std::move(t)),
        status(holds ? "True" : "False"),
        observed_generation(generation),
        reason(std::move(r)),
        message(std::move(m)) {}
  friend bool operator==(const Condition&, const Condition&) = default;
};

using Conditions = std::vector<Condition>;

namespace condition_type {
inline constexpr std::string_view kReady = "Ready";
inline constexpr std::string_view kReconciling = "Reconciling";
inline constexpr std::string_view kStalled = "Stalled";
inline constexpr std::string_view kBaseResolved = "BaseResolved";
inline constexpr std::string_view kContentReady = "ContentReady";
inline constexpr std::string_view kPushed = "Pushed";
}  // namespace condition_type

/// Puts `condition` in or replaces the one of its type. lastTransitionTime becomes `now` only if
/// `status` changed.
void set_condition(Conditions& conditions, Condition condition, WallTime now);

void remove_condition(Conditions& conditions, std::string_view type);

/// Null when there is none.
const Condition* find_condition(const Conditions& conditions, std::string_view type);

}  // namespace kiln::api
