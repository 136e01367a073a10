#pragma once
#include <functional>
#include <stop_token>

#include "core/base/file.h"

namespace kiln {

/// Lets poll() see that a stop was asked for: a descriptor that then becomes readable, and stays
/// so. Threads: the token's owner may ask from any.
class StopSignal {
 public:
  explicit StopSignal(std::stop_token token);

  /// -1, which poll() passes over, where nobody can ask.
  int fd() const { return event_.get(); }

 private:
  UniqueFd event_;
  std::stop_callback<std::function<void()>> callback_;
};

}  // namespace kiln
