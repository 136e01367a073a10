#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/base/deadline.h"
#include "core/base/error.h"
#include "core/base/task.h"
#include "core/http/client.h"
#include "core/http/message.h"

namespace kiln::http {

/// Statuses that a second try may cure: 408, 429, 499, 500, 502, 503, 504, 522.
bool is_retried_status(int status);

/// Error codes that a second try may cure: kUnavailable, kRateLimited, kTimeout.
bool is_retried_error(Errc code);

/// The only retry policy. Whether a request may be sent twice at all is the caller's to know: GET,
/// HEAD, a PUT whose body can be opened again, or a whole sequence (HEAD, POST, PUT) that starts
/// anew. A POST that creates something is not retried.
struct RetryPolicy {
  int tries = 3;  ///< All together, the first one included.
  std::chrono::milliseconds first_wait{1000};
  int wait_factor = 3;
  double jitter = 0.2;  ///< Waits vary by this share up and down.
  /// A server's hint up to this is slept through; a longer one ends the retries and is left to the
  /// caller (Error::retry_after, or the Retry-After field of the response).
  std::chrono::milliseconds longest_hint{5000};
  /// After a deadline has passed (kTimeout) there is no other try if all of them took this long
  /// together: a server that is silent is the caller's to come back to. Null = no such limit.
  std::optional<std::chrono::seconds> patience{};

  /// Replaced by tests. `random` answers 0 ≤ x < 1.
  std::function<double()> random;
  std::function<Task<Result<void>>(std::chrono::milliseconds)> sleep = sleep_for;
  std::function<std::chrono::sys_seconds()> now;

  RetryPolicy();  // A constructor on purpose: no aggregate, so it may travel through co_await.
};

/// The state of one operation's retries, without any I/O.
class RetrySchedule {
 public:
  explicit RetrySchedule(RetryPolicy policy)
      : policy_(std::move(policy)), wait_(policy_.first_wait), began_(policy_.now()) {}

  /// To be asked after each failed try: how long to wait before the next one; nullopt = give up,
  /// what was answered stands.
  std::optional<std::chrono::milliseconds> after(const Error& error);
  std::optional<std::chrono::milliseconds> after(const Response& response);

  /// What the caller is told at the end. A deadline is that of one try, so their number is said:
  /// "… took longer than 10s (3 tries)".
  Error given_up(Error error) const;

 private:
  std::optional<std::chrono::milliseconds> next_wait(std::optional<std::chrono::seconds> hint);

  RetryPolicy policy_;
  std::chrono::milliseconds wait_;
  std::chrono::sys_seconds began_;
  int tries_made_ = 0;
};

/// Runs `op()`, which starts one try and answers Task<Result<T>>, until it succeeds, fails for good
/// or the policy's tries are used up; answers the last try's result. When T is http::Response, a
/// status of is_retried_status() counts as a failed try.
///
///   auto answer = co_await with_retry<Response>(policy, [this, url] { return fetch(url); });
///
/// Lifetime: what `op` refers to must outlive the task. `op` itself must not be a coroutine lambda;
/// it calls one.
/// Cancellation: ends the current try or wait; answers kCancelled.
template <class T, class Op>
[[nodiscard]] Task<Result<T>> with_retry(RetryPolicy policy, Op op) {
  const auto sleep = policy.sleep;
  RetrySchedule schedule(std::move(policy));
  for (;;) {
    Result<T> result = co_await op();
    std::optional<std::chrono::milliseconds> wait;
    if (result.has_error()) {
      wait = schedule.after(result.error());
    } else if constexpr (std::is_same_v<T, Response>) {
      wait = schedule.after(*result);
    }
    if (!wait && result.has_error()) co_return schedule.given_up(std::move(result).error());
    if (!wait) co_return result;
    KILN_CO_TRY(co_await sleep(*wait));
  }
}

/// Sends a replayable request under `policy`. Lifetime: `client` must outlive the task.
[[nodiscard]] Task<Result<Response>> send_with_retry(Client& client, Request request,
                                                     RetryPolicy policy);

}  // namespace kiln::http
