#pragma once
#include <chrono>
#include <string>

#include "core/base/time_text.h"

namespace kiln::kube {

using FineTime = std::chrono::sys_time<std::chrono::nanoseconds>;

/// The API's MicroTime: RFC 3339 with six digits behind the seconds, no more and no fewer. Source:
/// apimachinery, meta/v1 MicroTime.
inline std::string micro_time(WallTime time) {
  auto text = format_rfc3339(time);
  return text.insert(text.size() - 1, ".000000");
}
inline std::string micro_time(FineTime time) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time - second).count();
  const auto digits = std::to_string(1'000'000 + micros).substr(1);
  auto text = format_rfc3339(second);
  return text.insert(text.size() - 1, "." + digits);
}

}  // namespace kiln::kube
