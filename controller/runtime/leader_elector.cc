#include "controller/runtime/leader_elector.h"

#include <unistd.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>
#include <utility>

#include "core/base/deadline.h"
#include "core/base/json.h"
#include "core/base/log.h"

namespace kiln::runtime {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kWatchdogGrace{20};

LeaseRecord record_of(const kube::Object& lease) {
  LeaseRecord record;
  const auto json = parse_json(lease.json());
  if (!json) return record;
  const auto& spec = json_at(*json, "spec");
  record.holder = json_string(spec, "holderIdentity");
  record.acquired = json_string(spec, "acquireTime");
  record.renewed = json_string(spec, "renewTime");
  const auto& lasts = json_at(spec, "leaseDurationSeconds");
  if (lasts.is_number_integer()) record.lease = std::chrono::seconds(lasts.get<std::int64_t>());
  const auto& transitions = json_at(spec, "leaseTransitions");
  if (transitions.is_number_integer()) record.transitions = transitions.get<std::int64_t>();
  return record;
}

bool was_cancelled(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace

std::string make_identity() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::random_device random;
  std::string name = std::string(host.data()) + "_";
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int i = 0; i < 24; ++i) name += kDigits[random() % kDigits.size()];
  return name;
}

LeaderElector::LeaderElector(kube::Client& client, const Executor& executor, const Clock& clock,
                             Options options)
    : client_(client),
      clock_(clock),
      terms_(options.terms),
      lease_(std::move(options.lease)),
      machine_(options.terms, std::move(options.identity), std::move(options.random)),
      pause_(executor),
      news_(executor),
      end_(executor) {}

Task<Result<void>> LeaderElector::run() {
  begun_ = true;
  log::info("leader election begins", {{"lease", lease_.str()}, {"identity", machine_.identity()}});
  for (;;) {
    if (was_cancelled(co_await asio::this_coro::cancellation_state))
      co_return Error(Errc::kCancelled, "leader election was cancelled");
    auto action = machine_.next(clock_.steady_now(), clock_.now());
    tell_changes();
    if (action.kind == ElectionAction::Kind::kStop) break;
    co_await step(std::move(action));
    tell_changes();
  }
  ended_ = true;
  news_.cancel();
  end_.cancel();
  if (machine_.state() == ElectionState::kLost)
    co_return Error(Errc::kUnavailable, "the lead was lost: " + machine_.why_lost());
  co_return Result<void>();
}

Task<void> LeaderElector::step(ElectionAction action) {
  switch (action.kind) {
    case ElectionAction::Kind::kWait:
      co_await wait(action.wait);
      break;
    case ElectionAction::Kind::kRead:
      co_await read(action.limit);
      break;
    case ElectionAction::Kind::kCreate:
    case ElectionAction::Kind::kUpdate:
      co_await write(std::move(action));
      break;
    case ElectionAction::Kind::kStop:
      break;
  }
}

Task<void> LeaderElector::wait(std::chrono::milliseconds duration) {
  pause_.expires_after(duration);
  boost::system::error_code woken;
  co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

Task<void> LeaderElector::read(std::chrono::milliseconds limit) {
  auto limited =
      with_deadline(client_.get(kube::kLeases, lease_), limit, std::string("reading the lease"));
  const auto lease = co_await std::move(limited);
  if (lease.has_error() && lease.error().code == Errc::kCancelled) co_return;
  if (lease) {
    seen_ = *lease;
    machine_.on_read(record_of(*lease), clock_.steady_now());
    co_return;
  }
  if (lease.error().code != Errc::kNotFound)
    log::warning("lease cannot be read", {{"error", lease.error().message}});
  seen_.reset();
  machine_.on_read(lease.error(), clock_.steady_now());
}

Task<void> LeaderElector::write(ElectionAction action) {
  const bool creates = action.kind == ElectionAction::Kind::kCreate || !seen_;
  auto json = lease_with(action.record);
  auto task = creates ? client_.create(kube::kLeases, lease_.namespace_, std::move(json))
                      : client_.update(kube::kLeases, lease_, std::move(json));
  auto limited = with_deadline(std::move(task), action.limit, std::string("writing the lease"));
  const auto written = co_await std::move(limited);
  if (written) {
    seen_ = *written;
    machine_.on_written(Result<void>(), clock_.steady_now());
    co_return;
  }
  if (written.error().code == Errc::kCancelled) co_return;
  log::warning("lease cannot be written", {{"error", written.error().message}});
  machine_.on_written(written.error(), clock_.steady_now());
}

/// Whatever others put into the object stays.
std::string LeaderElector::lease_with(const LeaseRecord& record) const {
  Json lease = {{"apiVersion", kube::kLeases.api_version()},
                {"kind", std::string(kube::kLeases.kind)},
                {"metadata", {{"name", lease_.name}, {"namespace", lease_.namespace_}}}};
  if (seen_)
    if (auto json = parse_json(seen_->json())) lease = std::move(*json);
  auto& spec = lease["spec"];
  spec["holderIdentity"] = record.holder;
  spec["leaseDurationSeconds"] = record.lease.count();
  spec["acquireTime"] = record.acquired;
  spec["renewTime"] = record.renewed;
  spec["leaseTransitions"] = record.transitions;
  return dump_json(lease);
}

Task<Result<void>> LeaderElector::wait_leading() {
  for (;;) {
    if (machine_.state() == ElectionState::kLeading) co_return Result<void>();
    if (was_cancelled(co_await asio::this_coro::cancellation_state) || ended_)
      co_return Error(Errc::kCancelled, "waiting for the lead was cancelled");
    news_.expires_at(asio::steady_timer::time_point::max());
    boost::system::error_code woken;
    co_await news_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

Task<Result<void>> LeaderElector::release(std::chrono::milliseconds limit) {
  machine_.release();
  pause_.cancel();
  if (!begun_) co_return Result<void>();
  const auto end = asio::steady_timer::clock_type::now() + limit;
  while (!ended_) {
    if (asio::steady_timer::clock_type::now() >= end)
      co_return deadline_error("giving the lease back", limit);
    end_.expires_at(end);
    boost::system::error_code woken;
    co_await end_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  co_return Result<void>();
}

Result<void> LeaderElector::may_write() const {
  if (machine_.may_write(clock_.steady_now())) return {};
  return Error(Errc::kCancelled, "this replica is not the leader, so it writes nothing");
}

void LeaderElector::tell_changes() {
  const auto state = machine_.state();
  if (machine_.holder() != told_holder_) {
    told_holder_ = machine_.holder();
    if (told_holder_ != machine_.identity())
      log::info("the lease has another holder", {{"holder", told_holder_}});
  }
  if (state == told_state_) return;
  told_state_ = state;
  if (state == ElectionState::kLost)
    log::error("the lead is lost", {{"why", machine_.why_lost()}});
  else
    log::info("leader election", {{"state", std::string(name_of(state))}});
  news_.cancel();
}

obs::Finding LeaderElector::readiness() const {
  const auto state = machine_.state();
  if (state == ElectionState::kStandby)
    return obs::Finding::good("standing by; " + (machine_.holder().empty()
                                                     ? "nobody leads"
                                                     : machine_.holder() + " leads"));
  if (state == ElectionState::kLost) return obs::Finding::bad(machine_.why_lost());
  return obs::Finding::good(std::string(name_of(state)));
}

obs::Finding LeaderElector::liveness() const {
  return obs::judge_lease(machine_.since_renewal(clock_.steady_now()), terms_.lease,
                          kWatchdogGrace);
}

void LeaderElector::follow(obs::Metrics& metrics) const {
  metrics.add_refresh([this, &metrics] {
    metrics.leader.set({lease_.name}, machine_.state() == ElectionState::kLeading ? 1 : 0);
  });
}

}  // namespace kiln::runtime
