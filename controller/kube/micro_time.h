#pragma once
#include <string>

#include "core/base/time_text.h"

namespace kiln::kube {

/// The API's MicroTime: RFC 3339 with six digits behind the seconds, no more and no fewer. Source:
/// apimachinery, meta/v1 MicroTime.
inline std::string micro_time(WallTime time) {
  auto text = format_rfc3339(time);
  return text.insert(text.size() - 1, ".000000");
}

}  // namespace kiln::kube
