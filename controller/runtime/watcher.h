#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "controller/kube/client.h"
#include "controller/runtime/watch_handler.h"
#include "controller/runtime/watch_machine.h"
#include "core/base/clock.h"
#include "core/base/task.h"

namespace kiln::runtime {

/// Keeps a handler informed about the objects of one type, for ever: list, watch, and again
/// whenever the API server says so. The rules are WatchMachine's; this is its driver.
///
/// Several watchers, each of a namespace of its own, may share one handler.
/// Threads: all calls on one executor. Lifetime: client, handler and clock outlive the watcher, the
/// watcher outlives run().
class Watcher {
 public:
  struct Options {
    WatchMachine::Options machine{};
    /// A stream that lives for longer than its timeout and this is cut: its server is frozen.
    std::chrono::milliseconds margin{10'000};
    Options() = default;
  };

  Watcher(kube::Client& client, kube::ResourceType type, WatchHandler& handler, const Clock& clock,
          Options options);

  /// Runs until it is cancelled; answers kCancelled. Failures of the server never end it.
  [[nodiscard]] Task<Result<void>> run();

  /// Waits until the first full state has been told. Errors: kTimeout, naming the type and the last
  /// failure.
  [[nodiscard]] Task<Result<void>> wait_synced(std::chrono::milliseconds limit);

  bool started() const { return counters().lists_started > 0; }
  bool synced() const { return machine_.synced(); }
  WatchState state() const { return machine_.state(); }
  const WatchCounters& counters() const { return machine_.counters(); }
  std::string name() const { return type_.str(); }
  const std::string& watched_namespace() const { return namespace_; }  ///< "" = all.
  const std::string& watched_name() const { return object_name_; }     ///< "" = all.
  /// When the server was last heard: a page, an event, a bookmark, the end of a watch. At first the
  /// watcher's own beginning.
  std::chrono::steady_clock::time_point last_activity() const { return last_activity_; }
  std::size_t handler_failures() const {
    return handler_failures_;
  }  ///< Exceptions of the handler.
  /// The failure that the watch is recovering from; "" = it is well.
  const std::string& last_failure() const { return last_failure_; }

 private:
  Task<void> step(WatchAction action);
  Task<void> list(WatchAction action);
  Task<void> watch(WatchAction action);
  Task<Result<void>> follow(std::unique_ptr<kube::WatchStream> stream);
  void begin_state();
  void tell(const kube::Object& object, const WatchVerdict& verdict);
  void tell_applied(const kube::Object& object, Origin origin);
  void tell_deleted(const kube::ObjectKey& key);
  void complete_state();
  void handler_threw(const kube::ObjectKey& key, std::string_view what);
  void fail(const Error& error);

  kube::Client& client_;
  kube::ResourceType type_;
  WatchHandler& handler_;
  const Clock& clock_;
  std::chrono::milliseconds margin_;
  std::string namespace_;
  std::string object_name_;
  WatchMachine machine_;
  std::set<kube::ObjectKey> unseen_;  ///< Known before the list and not shown by it so far.
  std::string last_failure_;
  std::size_t handler_failures_ = 0;
  std::chrono::steady_clock::time_point last_activity_;
  std::shared_ptr<boost::asio::steady_timer> sync_timer_;
};

}  // namespace kiln::runtime
