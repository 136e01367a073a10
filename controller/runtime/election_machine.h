#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/error.h"

namespace kiln::runtime {

/// The terms of an election. Those of all replicas should be the same.
struct ElectionTerms {
  std::chrono::milliseconds lease{15'000};  ///< How long others wait before they take over.
  std::chrono::milliseconds renew_deadline{10'000};  ///< Not renewed for so long: not the leader.
  std::chrono::milliseconds retry_period{2'000};     ///< Between two looks, or two renewals.
  ElectionTerms() = default;

  /// What can go wrong with them is told at the start. Errors: kInvalid, saying what to write.
  [[nodiscard]] Result<void> check() const;
  /// One request that hangs must not cost the lead: there is time for another.
  std::chrono::milliseconds request_limit() const;
};

/// What a Lease says. Its times are text: they are for people, and clocks differ.
struct LeaseRecord {
  std::string holder;  ///< "" = nobody.
  std::chrono::seconds lease{0};
  std::string acquired{};
  std::string renewed{};
  std::int64_t transitions = 0;  ///< How often the holder changed.
  LeaseRecord() = default;
  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

enum class ElectionState {
  /// Another replica leads, or nobody does yet. We look every retry period, longer by a random
  /// share; the lease is ours to take when nobody holds it, or when for as long as it says *we*
  /// have seen it unchanged.
  kStandby,
  /// We lead until the renew deadline after the last renewal was *sent*: earlier than others, who
  /// count from when they see it, may take over. Renewed every retry period; first from what we
  /// know of the lease, and when that fails from what the server has.
  kLeading,
  /// It was not renewed in time, or another holds it. For good: the process must end, and nothing
  /// may be written any more.
  kLost,
  /// Being given back, so that another need not wait. Nothing else may be written.
  kReleasing,
  /// The end in good order: given back, or never held.
  kReleased,
};
std::string_view name_of(ElectionState state);

/// What the driver is to do next.
struct ElectionAction {
  enum class Kind {
    kWait,    ///< Wait for `wait`, or until release(); then ask again.
    kRead,    ///< Read the lease, then on_read().
    kCreate,  ///< Create it with `record`, then on_written().
    kUpdate,  ///< Write `record` to the lease as it was last read or written, then on_written().
    kStop,    ///< Nothing more to do.
  };
  Kind kind = Kind::kWait;
  std::chrono::milliseconds wait{0};
  std::chrono::milliseconds limit{0};  ///< How long the request may take.
  LeaseRecord record{};
  ElectionAction() = default;
};

/// The rules of leader election on a Lease, without any I/O; see ElectionState. The driver asks
/// next(), does it, and tells what came of it. Only a local clock that never jumps decides; the
/// lease's own times never do.
///
/// A lease does not fence: a leader that is frozen and goes on does not know what happened
/// meanwhile. So whoever writes asks may_write() right before.
///
/// Source: client-go tools/leaderelection/leaderelection.go for the rules. Threads: one.
class ElectionMachine {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `identity` is this process's alone. `random` answers 0 ≤ x < 1; null: a generator of its own.
  ElectionMachine(ElectionTerms terms, std::string identity,
                  std::function<double()> random = nullptr);

  [[nodiscard]] ElectionAction next(Time now, WallTime wall);
  void on_read(const Result<LeaseRecord>& lease, Time now);
  void on_written(const Result<void>& written, Time now);
  /// The end: give the lease back if we hold it. Nothing may be written from here on.
  void release() { release_wanted_ = true; }

  ElectionState state() const { return state_; }
  bool may_write(Time now) const {
    return state_ == ElectionState::kLeading && !release_wanted_ && now < leads_until_;
  }
  /// Who holds the lease, as we last saw it; "" = nobody.
  const std::string& holder() const { return observed_.holder; }
  const std::string& identity() const { return identity_; }
  /// Since the last renewal; nullopt = we do not lead.
  std::optional<Time::duration> since_renewal(Time now) const;
  /// Of kLost: "the lease was not renewed for 10s: …".
  const std::string& why_lost() const { return why_lost_; }

 private:
  enum class Step { kBegin, kRead, kCreate, kUpdate };
  bool leading() const { return state_ == ElectionState::kLeading; }
  void judge_standby(Time now);
  void pause(bool jittered);
  void lose(std::string why);
  ElectionAction request(ElectionAction::Kind kind, Time now, WallTime wall);
  LeaseRecord record_to_write(WallTime wall) const;

  ElectionTerms terms_;
  std::string identity_;
  std::function<double()> random_;
  ElectionState state_ = ElectionState::kStandby;
  Step step_ = Step::kBegin;
  std::chrono::milliseconds pause_{0};
  bool fast_ = false;  ///< The update under way is one from what we know.
  bool release_wanted_ = false;
  LeaseRecord observed_;
  LeaseRecord sent_;
  Time observed_at_{};
  Time sent_at_{};
  Time renewed_at_{};
  Time leads_until_{};
  std::string last_failure_;
  std::string why_lost_;
};

}  // namespace kiln::runtime
