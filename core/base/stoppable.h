#pragma once
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "core/base/deadline.h"
#include "core/base/work_pool.h"

namespace kiln {

namespace detail {

inline Task<void> stop_when_cancelled(std::shared_ptr<std::stop_source> stop) {
  boost::asio::steady_timer never(co_await boost::asio::this_coro::executor,
                                  boost::asio::steady_timer::time_point::max());
  boost::system::error_code ended;
  co_await never.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ended));
  stop->request_stop();
}

template <class F, class R>
Task<void> work_into(WorkPool* pool, F work, std::stop_token stop,
                     std::shared_ptr<std::optional<R>> out) {
  auto bound = [work = std::move(work), stop]() mutable { return work(stop); };
  out->emplace(co_await pool->run(std::move(bound)));
}

}  // namespace detail

/// Runs `work`, which takes a std::stop_token and answers a Result, on a thread of the pool. When
/// the task is cancelled the token asks for a stop and the work is waited for: it should end soon
/// then, with kCancelled say. The token is of no use after the end of the work.
///
/// Cancellation: as above. Lifetime: `pool` outlives the task. g++ 12: see WorkPool::run.
template <class F>
[[nodiscard]] Task<std::invoke_result_t<F, std::stop_token>> run_stoppable(
    WorkPool& pool, F work) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  using R = std::invoke_result_t<F, std::stop_token>;
  using boost::asio::deferred;
  const auto executor = co_await boost::asio::this_coro::executor;
  auto stop = std::make_shared<std::stop_source>();
  auto out = std::make_shared<std::optional<R>>();
  auto group = boost::asio::experimental::make_parallel_group(
      boost::asio::co_spawn(executor,
                            detail::work_into<F, R>(&pool, std::move(work), stop->get_token(), out),
                            deferred),
      boost::asio::co_spawn(executor, detail::stop_when_cancelled(stop), deferred));
  const auto [order, failure, unused] = co_await group.async_wait(
      boost::asio::experimental::wait_for_one(), boost::asio::use_awaitable);
  if (out->has_value()) co_return std::move(**out);
  if (failure) co_return detail::cancelled_or_rethrow(failure);
  co_return Error(Errc::kCancelled, "cancelled");
}

}  // namespace kiln
