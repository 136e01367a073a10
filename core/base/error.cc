#include "core/base/error.h"

namespace kiln {

std::string_view name_of(Errc code) {
  switch (code) {
    case Errc::kInvalid:
      return "invalid";
    case Errc::kNotFound:
      return "not found";
    case Errc::kUnauthorized:
      return "unauthorized";
    case Errc::kDenied:
      return "denied";
    case Errc::kConflict:
      return "conflict";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kRateLimited:
      return "rate limited";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kCorrupt:
      return "corrupt";
    case Errc::kNoSpace:
      return "no space";
    case Errc::kEgressDenied:
      return "egress denied";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kGone:
      return "gone";
    case Errc::kCancelled:
      return "cancelled";
    case Errc::kInternal:
      return "internal";
  }
  return "unknown";
}

}  // namespace kiln
