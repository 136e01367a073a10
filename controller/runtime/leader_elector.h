#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "controller/kube/client.h"
#include "controller/obs/health.h"
#include "controller/obs/metrics.h"
#include "controller/runtime/election_machine.h"
#include "core/base/clock.h"
#include "core/base/task.h"

namespace kiln::runtime {

/// "host_1f0c…": this process and no other one, not even one of the same pod.
std::string make_identity();

/// Elects one of several replicas on a Lease, by the rules of ElectionMachine.
///
///   run() in the background; wait_leading() before any work; may_write() before each write;
///   release() at the very end, when all who write have ended.
///
/// Threads: one executor. Lifetime: client and clock outlive it, it outlives its tasks.
class LeaderElector {
 public:
  struct Options {
    ElectionTerms terms{};
    kube::ObjectKey lease{};
    std::string identity{};
    std::function<double()> random{};  ///< As ElectionMachine's.
    Options() = default;
  };

  /// `client` is asked for the lease alone, and makes no second tries of its own.
  LeaderElector(kube::Client& client, const Executor& executor, const Clock& clock,
                Options options);

  /// Until the lead is lost, or released. Success only after release().
  /// Errors: kUnavailable (lost; the process must end), kCancelled (nothing is given back).
  [[nodiscard]] Task<Result<void>> run();
  /// Success when we lead. Errors: kCancelled (also when it is lost or released meanwhile).
  [[nodiscard]] Task<Result<void>> wait_leading();
  /// From now on nothing may be written. Waits until the lease is given back.
  /// Errors: kTimeout; others then wait for the rest of the lease.
  [[nodiscard]] Task<Result<void>> release(std::chrono::milliseconds limit);

  /// Errors: kCancelled, as of a task that nobody wants any more.
  [[nodiscard]] Result<void> may_write() const;
  const ElectionMachine& machine() const { return machine_; }
  /// Of the replica that stands by, too: ready to take over is ready.
  obs::Finding readiness() const;
  /// See obs::judge_lease.
  obs::Finding liveness() const;
  /// From now on the metrics tell whether we lead. Lifetime: as long as they are read.
  void follow(obs::Metrics& metrics) const;

 private:
  Task<void> step(ElectionAction action);
  Task<void> wait(std::chrono::milliseconds duration);
  Task<void> read(std::chrono::milliseconds limit);
  Task<void> write(ElectionAction action);
  std::string lease_with(const LeaseRecord& record) const;
  void tell_changes();

  kube::Client& client_;
  const Clock& clock_;
  ElectionTerms terms_;
  kube::ObjectKey lease_;
  ElectionMachine machine_;
  std::optional<kube::Object> seen_;  ///< As last read or written: what an update starts from.
  boost::asio::steady_timer pause_;   ///< Of run(); cancelled by release().
  boost::asio::steady_timer news_;    ///< Of wait_leading(); cancelled when the state changes.
  boost::asio::steady_timer end_;     ///< Of release(); cancelled when run() ends.
  ElectionState told_state_ = ElectionState::kStandby;
  std::string told_holder_;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace kiln::runtime
