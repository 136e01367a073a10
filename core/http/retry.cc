#include "core/http/retry.h"

#include <algorithm>
#include <array>
#include <random>

namespace kiln::http {
namespace {

double random_share() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

std::chrono::sys_seconds wall_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

// go-containerregistry retries the same statuses.
bool is_retried_status(int status) {
  constexpr std::array kStatuses = {408, 429, 499, 500, 502, 503, 504, 522};
  return std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end();
}

bool is_retried_error(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kRateLimited || code == Errc::kTimeout;
}

RetryPolicy::RetryPolicy() : random(random_share), now(wall_now) {}

std::optional<std::chrono::milliseconds> RetrySchedule::after(const Error& error) {
  if (!is_retried_error(error.code)) return std::nullopt;
  const bool too_slow = error.code == Errc::kTimeout && policy_.patience &&
                        policy_.now() - began_ >= *policy_.patience;
  if (too_slow) {
    ++tries_made_;
    return std::nullopt;
  }
  return next_wait(error.retry_after);
}

std::optional<std::chrono::milliseconds> RetrySchedule::after(const Response& response) {
  if (!is_retried_status(response.status())) return std::nullopt;
  return next_wait(retry_after(response.headers(), policy_.now()));
}

Error RetrySchedule::given_up(Error error) const {
  if (error.code == Errc::kTimeout && tries_made_ > 1)
    error.message += " (" + std::to_string(tries_made_) + " tries)";
  return error;
}

std::optional<std::chrono::milliseconds> RetrySchedule::next_wait(
    std::optional<std::chrono::seconds> hint) {
  if (++tries_made_ >= policy_.tries) return std::nullopt;
  if (hint && *hint > policy_.longest_hint) return std::nullopt;
  const auto planned = std::chrono::duration<double, std::milli>(wait_);
  const auto varied = planned * (1.0 + policy_.jitter * (2.0 * policy_.random() - 1.0));
  wait_ *= policy_.wait_factor;
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(varied);
  if (hint) return std::max<std::chrono::milliseconds>(*hint, std::chrono::milliseconds(0));
  return wait;
}

Task<Result<Response>> send_with_retry(
    Client& client,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters): outlives it.
    Request request, RetryPolicy policy) {
  auto send = [&client, &request] { return client.send(request); };
  co_return co_await with_retry<Response>(std::move(policy), std::move(send));
}

}  // namespace kiln::http
