#pragma once
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>

#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln::registry {

/// Lets so many in at a time; the others wait in order.
/// Threads: one executor, single-threaded or a strand.
class Gate {
  struct Waiter {
    explicit Waiter(const Executor& executor)
        : timer(executor, boost::asio::steady_timer::time_point::max()) {}
    boost::asio::steady_timer timer;
    bool admitted = false;
  };
  struct State {
    std::size_t free;
    std::list<std::shared_ptr<Waiter>> queue{};

    void leave() {
      if (queue.empty()) {
        ++free;
        return;
      }
      auto next = queue.front();
      queue.pop_front();
      next->admitted = true;  // The place goes from hand to hand; nobody can slip in between.
      next->timer.expires_at(boost::asio::steady_timer::time_point::min());
    }
  };

 public:
  explicit Gate(std::size_t places) : state_(std::make_shared<State>(State{places})) {}

  /// A place inside; left by the destructor. May outlive the gate.
  class Permit {
   public:
    Permit(Permit&&) noexcept = default;
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (state_) state_->leave();
    }

   private:
    friend class Gate;
    explicit Permit(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;  // Shared with the gate and whoever waits.
  };

  /// Waits for a place; how long is up to those inside. Errors: kCancelled.
  [[nodiscard]] Task<Result<Permit>> enter() {
    const auto state = state_;
    if (state->free > 0) {
      --state->free;
      co_return Permit(state);
    }
    Leaver waiting(state, std::make_shared<Waiter>(co_await boost::asio::this_coro::executor));
    state->queue.push_back(waiting.waiter);
    boost::system::error_code error;
    co_await waiting.waiter->timer.async_wait(
        boost::asio::redirect_error(boost::asio::use_awaitable, error));
    if (!waiting.waiter->admitted) co_return Error(Errc::kCancelled, "cancelled while waiting");
    waiting.waiter.reset();
    co_return Permit(state);
  }

 private:
  /// Steps out of the queue if the coroutine ends while it waits.
  struct Leaver {
    Leaver(std::shared_ptr<State> s, std::shared_ptr<Waiter> w)
        : state(std::move(s)), waiter(std::move(w)) {}
    Leaver(const Leaver&) = delete;
    Leaver& operator=(const Leaver&) = delete;
    ~Leaver() {
      if (!waiter) return;
      if (waiter->admitted)
        state->leave();
      else
        state->queue.remove(waiter);
    }
    std::shared_ptr<State> state;
    std::shared_ptr<Waiter> waiter;
  };

  std::shared_ptr<State> state_;  // Shared: permits and waiters may outlive the gate.
};

}  // namespace kiln::registry
