#include "core/base/stop_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace kiln {

// Without an event (no descriptors left) the deadlines of those who wait still hold.
StopSignal::StopSignal(std::stop_token token)
    : event_(token.stop_possible() ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1),
      callback_(std::move(token), [fd = event_.get()] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
      }) {}

}  // namespace kiln
