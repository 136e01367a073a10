#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/base/deadline.h"
#include "core/base/task.h"

namespace kiln {

namespace detail {

template <class T>
struct GatherState {
  std::vector<Task<Result<T>>> tasks;
  std::vector<std::optional<Result<T>>> results;
  std::size_t next = 0;
  bool failed = false;
};

/// One of `limit` lanes: takes the next task until there is none or one has failed.
template <class T>
Task<void> gather_lane(std::shared_ptr<GatherState<T>> state) {
  while (state->next < state->tasks.size() && !state->failed) {
    const auto index = state->next++;
    auto result = co_await std::move(state->tasks[index]);
    if (result.has_error()) state->failed = true;
    state->results[index].emplace(std::move(result));
  }
}

}  // namespace detail

/// Runs `tasks`, at most `limit` at a time, all on the caller's executor, and answers their values
/// in order. After a failure no further task is started; those under way are waited for, and the
/// first error in order is answered.
///
/// Cancellation: passed on to the tasks under way; answers kCancelled.
/// Threads: the executor must be single-threaded or a strand.
template <class T>
[[nodiscard]] Task<Result<std::vector<T>>> gather(std::vector<Task<Result<T>>> tasks,
                                                  std::size_t limit) {
  using boost::asio::deferred;
  const auto executor = co_await boost::asio::this_coro::executor;
  auto state = std::make_shared<detail::GatherState<T>>();
  state->results.resize(tasks.size());
  state->tasks = std::move(tasks);
  if (state->tasks.empty()) co_return std::vector<T>();

  using Lane = decltype(boost::asio::co_spawn(executor, detail::gather_lane(state), deferred));
  std::vector<Lane> lanes;
  for (std::size_t i = 0; i < std::min(std::max<std::size_t>(limit, 1), state->tasks.size()); ++i)
    lanes.push_back(boost::asio::co_spawn(executor, detail::gather_lane(state), deferred));
  auto group = boost::asio::experimental::make_parallel_group(std::move(lanes));
  const auto [order, failures] = co_await group.async_wait(
      boost::asio::experimental::wait_for_all(), boost::asio::use_awaitable);

  for (auto& result : state->results)
    if (result && result->has_error()) co_return std::move(*result).error();
  for (const auto& failure : failures)
    if (failure) co_return detail::cancelled_or_rethrow(failure);
  std::vector<T> values;
  values.reserve(state->results.size());
  for (auto& result : state->results) values.push_back(std::move(**result));
  co_return values;
}

}  // namespace kiln
