#include "controller/imagebuild/tag_fight.h"

#include <algorithm>

namespace kiln::imagebuild {
namespace {

constexpr std::size_t kAtOnce = 5;  ///< So often it may be a person who does not know of Kiln.
constexpr std::chrono::minutes kFirstWait{1};
constexpr std::chrono::minutes kLongestWait{30};
constexpr std::chrono::hours kCalm{1};  ///< Longer than any wait, or a fight would look new.

}  // namespace

std::size_t times_put_back(const std::optional<api::LastBuild>& last, WallTime now) {
  if (!last) return 0;
  const auto completed = parse_rfc3339(last->completed_at);
  if (!completed || now - *completed > kCalm) return 0;
  const auto moved = [](const api::Reason& reason) {
    return reason.type == "Restored" && !reason.from.empty();
  };
  if (!std::all_of(last->reasons.begin(), last->reasons.end(), moved)) return 0;
  return last->reasons.size();
}

std::chrono::milliseconds wait_before_putting_back(const std::optional<api::LastBuild>& last,
                                                   WallTime now) {
  const auto times = times_put_back(last, now);
  if (times < kAtOnce) return std::chrono::milliseconds(0);
  const auto doublings = std::min<std::size_t>(times - kAtOnce, 10);
  const auto wait = std::min(kFirstWait * (1 << doublings), kLongestWait);
  const auto since = now - *parse_rfc3339(last->completed_at);
  return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(wait - since),
                  std::chrono::milliseconds(0));
}

}  // namespace kiln::imagebuild
