#pragma once
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln {

/// "fetching the token took longer than 30s": in one place, so that every deadline reads the same.
Error deadline_error(const std::string& what, std::chrono::milliseconds limit);

/// Sleeps on the I/O executor. Errors: kCancelled when cancelled.
[[nodiscard]] Task<Result<void>> sleep_for(std::chrono::milliseconds duration);

namespace detail {

/// Turns Asio's cancellation exception into kCancelled; rethrows anything else (it is a bug).
Error cancelled_or_rethrow(const std::exception_ptr& failure);

template <class T>
Task<void> store_into(Task<Result<T>> task, std::shared_ptr<std::optional<Result<T>>> out) {
  out->emplace(co_await std::move(task));
}

}  // namespace detail

/// Runs `task` for at most `limit`; then cancels it, waits for it to unwind and answers kTimeout
/// with
/// "`what` took longer than …".
///
/// Cancellation: passed on to the task; answers kCancelled. The task must react to cancellation
/// (whatever is built on Asio's operations does); work given to a WorkPool is waited for.
template <class T>
[[nodiscard]] Task<Result<T>> with_deadline(Task<Result<T>> task, std::chrono::milliseconds limit,
                                            std::string what) {
  using boost::asio::deferred;
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, limit);
  auto out = std::make_shared<std::optional<Result<T>>>();
  auto group = boost::asio::experimental::make_parallel_group(
      boost::asio::co_spawn(executor, detail::store_into(std::move(task), out), deferred),
      timer.async_wait(deferred));
  const auto [order, failure, timer_error] = co_await group.async_wait(
      boost::asio::experimental::wait_for_one(), boost::asio::use_awaitable);
  if (out->has_value() && order[0] == 0) co_return std::move(**out);
  if (order[0] == 1 && !timer_error) co_return deadline_error(what, limit);
  if (failure) co_return detail::cancelled_or_rethrow(failure);
  if (out->has_value()) co_return std::move(**out);
  co_return Error(Errc::kCancelled, what + " was cancelled");
}

}  // namespace kiln
