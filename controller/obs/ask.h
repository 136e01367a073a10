#pragma once
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/deadline.h"

namespace kiln::obs {

/// Has `question` answered on another executor, `there`, whose data it may then look at, and
/// waits for the answer on the caller's own. Errors: kTimeout when `there` does not come to it
/// within `limit` (the question may still be asked later), kCancelled.
///
/// Threads: the caller's executor is single-threaded. Lifetime: what `question` refers to outlives
/// the work of `there`; the caller's context outlives that of `there`.
template <class T>
[[nodiscard]] Task<Result<T>> ask(Executor there, std::function<T()> question,
                                  std::chrono::milliseconds limit) {
  struct Desk {
    explicit Desk(const Executor& executor) : answered(executor) {}
    boost::asio::steady_timer answered;
    std::optional<T> answer{};
  };
  const auto here = co_await boost::asio::this_coro::executor;
  const auto desk = std::make_shared<Desk>(here);
  desk->answered.expires_after(limit);
  boost::asio::post(there, [desk, here, question = std::move(question)] {
    boost::asio::post(here, [desk, answer = question()]() mutable {
      desk->answer.emplace(std::move(answer));
      desk->answered.cancel();
    });
  });
  boost::system::error_code woken;
  co_await desk->answered.async_wait(
      boost::asio::redirect_error(boost::asio::use_awaitable, woken));
  if (desk->answer) co_return std::move(*desk->answer);
  if (woken) co_return Error(Errc::kCancelled, "asking was cancelled");
  co_return deadline_error("the event loop's answer", limit);
}

}  // namespace kiln::obs
