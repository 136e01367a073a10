#include "controller/api/conditions.h"

#include <algorithm>

namespace kiln::api {
namespace {

auto of_type(std::string_view type) {
  return [type](const Condition& condition) { return condition.type == type; };
}

}  // namespace

void set_condition(Conditions& conditions, Condition condition, WallTime now) {
  const auto found = std::find_if(conditions.begin(), conditions.end(), of_type(condition.type));
  const bool changed = found == conditions.end() || found->status != condition.status ||
                       found->last_transition_time.empty();
  condition.last_transition_time = changed ? format_rfc3339(now) : found->last_transition_time;
  if (found == conditions.end())
    conditions.push_back(std::move(condition));
  else
    *found = std::move(condition);
}

void remove_condition(Conditions& conditions, std::string_view type) {
  std::erase_if(conditions, of_type(type));
}

const Condition* find_condition(const Conditions& conditions, std::string_view type) {
  const auto found = std::find_if(conditions.begin(), conditions.end(), of_type(type));
  return found == conditions.end() ? nullptr : &*found;
}

}  // namespace kiln::api
