#pragma once
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <list>
#include <optional>
#include <utility>

#include "controller/kube/client.h"

namespace kiln::fakes {

/// A watch that gives what is pushed. Threads: one.
class FakeWatch : public kube::WatchStream {
 public:
  FakeWatch(std::function<bool(const kube::ObjectState&)> is_known, const Executor& executor)
      : is_known_(std::move(is_known)), news_(executor) {}

  void push(kube::WatchEvent event) {
    if (event.object && event.type != kube::WatchEventType::kDeleted && is_known_ &&
        is_known_(event.object->state())) {
      event.known = event.object->key();
      event.object.reset();
    }
    events_.push_back(std::move(event));
    news_.cancel();
  }

  /// When all events have been taken. Without a failure in order.
  void finish(std::optional<Error> failure = std::nullopt) {
    ended_ = true;
    failure_ = std::move(failure);
    news_.cancel();
  }

  Task<Result<std::optional<kube::WatchEvent>>> next() override {
    for (;;) {
      if (!events_.empty()) {
        auto event = std::move(events_.front());
        events_.pop_front();
        co_return std::optional<kube::WatchEvent>(std::move(event));
      }
      if (failure_) co_return *failure_;
      if (ended_) co_return std::optional<kube::WatchEvent>();
      const auto state = co_await boost::asio::this_coro::cancellation_state;
      if (state.cancelled() != boost::asio::cancellation_type::none)
        co_return Error(Errc::kCancelled, "cancelled");
      news_.expires_at(boost::asio::steady_timer::time_point::max());
      boost::system::error_code ignored;
      co_await news_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
  }

 private:
  std::function<bool(const kube::ObjectState&)> is_known_;
  boost::asio::steady_timer news_;
  std::list<kube::WatchEvent> events_;
  bool ended_ = false;
  std::optional<Error> failure_;
};

}  // namespace kiln::fakes
