#include "controller/runtime/election_machine.h"

#include <algorithm>
#include <utility>

#include "controller/kube/micro_time.h"
#include "controller/runtime/backoff.h"
#include "core/base/time_text.h"

namespace kiln::runtime {
namespace {

using std::chrono::milliseconds;

/// Waits of those who stand by are longer by a random share of up to this, so that they do not all
/// ask at once.
constexpr double kJitter = 1.2;

}  // namespace

Result<void> ElectionTerms::check() const {
  const auto wrong = [](std::string message) { return Error(Errc::kInvalid, std::move(message)); };
  if (retry_period < std::chrono::seconds(1))
    return wrong("the retry period of leader election must be at least 1s");
  if (renew_deadline <= std::chrono::duration<double, std::milli>(retry_period) * kJitter)
    return wrong("the renew deadline of leader election (" + format_duration(renew_deadline) +
                 ") must be longer than 1.2 times the retry period (" +
                 format_duration(retry_period) + ")");
  if (lease <= renew_deadline)
    return wrong("the lease of leader election (" + format_duration(lease) +
                 ") must last longer than the renew deadline (" + format_duration(renew_deadline) +
                 ")");
  if (lease % std::chrono::seconds(1) != milliseconds(0))
    return wrong("the lease of leader election must last whole seconds, not " +
                 format_duration(lease));
  return {};
}

milliseconds ElectionTerms::request_limit() const {
  return std::max<milliseconds>(std::chrono::seconds(1), renew_deadline / 2);
}

std::string_view name_of(ElectionState state) {
  switch (state) {
    case ElectionState::kStandby:
      return "standing by";
    case ElectionState::kLeading:
      return "leading";
    case ElectionState::kLost:
      return "lost";
    case ElectionState::kReleasing:
      return "releasing";
    case ElectionState::kReleased:
      return "released";
  }
  return "";
}

ElectionMachine::ElectionMachine(ElectionTerms terms, std::string identity,
                                 std::function<double()> random)
    : terms_(terms),
      identity_(std::move(identity)),
      random_(random ? std::move(random) : random_share) {}

ElectionAction ElectionMachine::next(Time now, WallTime wall) {
  using Kind = ElectionAction::Kind;
  if (leading() && now >= leads_until_)
    lose("the lease was not renewed for " + format_duration(terms_.renew_deadline) +
         (last_failure_.empty() ? "" : ": " + last_failure_));
  if (state_ == ElectionState::kReleasing && now >= leads_until_) state_ = ElectionState::kReleased;
  if (release_wanted_ && leading()) {
    state_ = ElectionState::kReleasing;
    step_ = Step::kUpdate;
    pause_ = milliseconds(0);
  }
  if (release_wanted_ && state_ == ElectionState::kStandby) state_ = ElectionState::kReleased;

  ElectionAction action;
  if (state_ == ElectionState::kLost || state_ == ElectionState::kReleased) {
    action.kind = Kind::kStop;
    return action;
  }
  if (pause_ > milliseconds(0)) {
    action.wait = std::exchange(pause_, milliseconds(0));
    if (state_ != ElectionState::kStandby)
      action.wait = std::min(action.wait, std::chrono::ceil<milliseconds>(leads_until_ - now));
    return action;
  }
  if (step_ == Step::kBegin) {
    step_ = leading() ? Step::kUpdate : Step::kRead;
    fast_ = leading();
  }
  return request(step_ == Step::kRead     ? Kind::kRead
                 : step_ == Step::kCreate ? Kind::kCreate
                                          : Kind::kUpdate,
                 now, wall);
}

ElectionAction ElectionMachine::request(ElectionAction::Kind kind, Time now, WallTime wall) {
  ElectionAction action;
  action.kind = kind;
  action.limit = terms_.request_limit();
  if (state_ != ElectionState::kStandby)
    action.limit = std::min(action.limit, std::chrono::ceil<milliseconds>(leads_until_ - now));
  if (kind == ElectionAction::Kind::kRead) return action;
  sent_at_ = now;
  sent_ = record_to_write(wall);
  action.record = sent_;
  return action;
}

LeaseRecord ElectionMachine::record_to_write(WallTime wall) const {
  const auto time = kube::micro_time(wall);
  LeaseRecord record = observed_;
  record.renewed = time;
  if (state_ == ElectionState::kReleasing) {
    record.holder.clear();
    record.lease = std::chrono::seconds(1);
    record.acquired = time;
    return record;
  }
  record.lease = std::chrono::duration_cast<std::chrono::seconds>(terms_.lease);
  if (observed_.holder == identity_) return record;
  record.holder = identity_;
  record.acquired = time;
  if (step_ != Step::kCreate) ++record.transitions;
  return record;
}

void ElectionMachine::on_read(const Result<LeaseRecord>& lease, Time now) {
  if (lease.has_error()) {
    last_failure_ = lease.error().message;
    const bool absent = lease.error().code == Errc::kNotFound;
    if (absent) observed_ = LeaseRecord();
    if (absent && state_ == ElectionState::kReleasing) state_ = ElectionState::kReleased;
    if (absent)
      step_ = Step::kCreate;
    else
      pause(!leading());
    return;
  }
  if (*lease != observed_) {
    observed_ = *lease;
    observed_at_ = now;
  }
  const auto& holder = observed_.holder;
  if (state_ == ElectionState::kReleasing) {
    if (holder == identity_)
      step_ = Step::kUpdate;
    else
      state_ = ElectionState::kReleased;
  } else if (leading()) {
    if (holder.empty() || holder == identity_)
      step_ = Step::kUpdate;
    else
      lose("the lease is held by " + holder);
  } else {
    judge_standby(now);
  }
}

void ElectionMachine::judge_standby(Time now) {
  // A record without a duration is one that somebody wrote by hand.
  const auto lease = observed_.lease.count() > 0 ? milliseconds(observed_.lease) : terms_.lease;
  const bool held = !observed_.holder.empty() && observed_.holder != identity_;
  if (held && now < observed_at_ + lease)
    pause(true);
  else
    step_ = Step::kUpdate;
}

void ElectionMachine::on_written(const Result<void>& written, Time now) {
  const bool was_fast = std::exchange(fast_, false);
  if (written.has_error()) {
    last_failure_ = written.error().message;
    const bool conflict = written.error().code == Errc::kConflict;
    // What we know may be old: look, and try again from there. Who stands by was too slow.
    const bool look = state_ == ElectionState::kReleasing ? conflict : leading() && was_fast;
    if (look)
      step_ = Step::kRead;
    else
      pause(!leading());
    return;
  }
  last_failure_.clear();
  observed_ = sent_;
  observed_at_ = now;
  if (state_ == ElectionState::kReleasing) {
    state_ = ElectionState::kReleased;
    return;
  }
  state_ = ElectionState::kLeading;
  renewed_at_ = sent_at_;
  leads_until_ = sent_at_ + terms_.renew_deadline;
  pause(false);
}

void ElectionMachine::pause(bool jittered) {
  using Millis = std::chrono::duration<double, std::milli>;
  step_ = state_ == ElectionState::kReleasing ? Step::kUpdate : Step::kBegin;
  fast_ = false;
  const auto wait = Millis(terms_.retry_period) * (jittered ? 1.0 + kJitter * random_() : 1.0);
  pause_ = std::chrono::duration_cast<milliseconds>(wait);
}

void ElectionMachine::lose(std::string why) {
  state_ = ElectionState::kLost;
  why_lost_ = std::move(why);
}

std::optional<ElectionMachine::Time::duration> ElectionMachine::since_renewal(Time now) const {
  if (!leading()) return std::nullopt;
  return now - renewed_at_;
}

}  // namespace kiln::runtime
