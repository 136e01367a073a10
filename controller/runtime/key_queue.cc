#include "controller/runtime/key_queue.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace kiln::runtime {

KeyQueue::KeyQueue(const Executor& executor, const Clock& clock, RetryDelays delays)
    : clock_(clock), queue_(delays), timer_(executor) {}

void KeyQueue::add(const kube::ObjectKey& key, Priority priority) {
  queue_.add(key, priority, clock_.steady_now());
  wake();
}

void KeyQueue::add_after(const kube::ObjectKey& key, std::chrono::milliseconds delay,
                         Priority priority) {
  queue_.add_at(key, clock_.steady_now() + delay, priority);
  wake();
}

std::chrono::milliseconds KeyQueue::retry(const kube::ObjectKey& key,
                                          std::chrono::milliseconds at_least) {
  const auto delay = queue_.retry(key, clock_.steady_now(), at_least);
  wake();
  return delay;
}

void KeyQueue::done(const kube::ObjectKey& key, std::chrono::milliseconds pause) {
  queue_.done(key, clock_.steady_now(), pause);
  wake();
}

void KeyQueue::close() {
  queue_.close();
  wake();
}

// Every waiter looks again: workers are few, and so a wake-up can never be lost.
void KeyQueue::wake() {
  timer_.cancel();
}

/// Sets the timer that all waiters share, if it is not set already: setting it ends their waits, so
/// doing that each time would make them wake one another for ever.
void KeyQueue::arm() {
  const auto due = queue_.next_due().value_or(std::chrono::steady_clock::time_point::max());
  if (armed_ == due) return;
  armed_ = due;
  if (due == std::chrono::steady_clock::time_point::max())
    timer_.expires_at(due);
  else
    timer_.expires_after(due - clock_.steady_now());
}

Task<Result<std::optional<WorkQueue::Taken>>> KeyQueue::next() {
  for (;;) {
    // An ended wait may be a wake-up or a cancelled task; only the task itself knows.
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none)
      co_return Error(Errc::kCancelled, "waiting for work was cancelled");
    if (queue_.closed()) co_return std::optional<WorkQueue::Taken>();
    if (auto taken = queue_.take(clock_.steady_now())) co_return taken;
    arm();
    boost::system::error_code woken;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
    if (!woken) armed_.reset();  // Its time has come: it must be set anew.
  }
}

}  // namespace kiln::runtime
