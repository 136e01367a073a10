#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "controller/kube/client.h"
#include "controller/runtime/backoff.h"
#include "core/base/error.h"

namespace kiln::runtime {

/// Where a watch stands. Each state says what ends it.
enum class WatchState {
  /// Nothing is known yet, or the place in the stream is lost: the present state has to be read,
  /// either streamed (WatchList) or listed page by page; the machine decides which.
  kStart,
  /// A WatchList is under way: kAdded events tell the present state until a bookmark with
  /// initial_events_end; then kWatching on the same stream. Cut before that: kStart. Refused (400,
  /// 422): kListing, from now on; any other answer of the server, or the third cut in a row:
  /// kListing once.
  kStreamingState,
  /// A list is under way. The last page leads to kReadyToWatch. 410 on a later page: the whole list
  /// again from kStart, in one piece; 410 or "too large" on the first: kStart, asking for the
  /// newest
  /// state.
  kListing,
  /// The state is known up to `resource_version`; a watch is to be opened from there.
  kReadyToWatch,
  /// A watch is open. Its end in order or by a cut: kReadyToWatch at the last resourceVersion seen.
  /// 410, as a status or as an error event, 400 and 404: kStart. 429 or no connection:
  /// kReadyToWatch
  /// after a pause, never a list (all watchers of a cluster listing at once would not help it).
  kWatching,
};
std::string_view name_of(WatchState state);

/// What the driver is to do next.
struct WatchAction {
  enum class Kind {
    kWait,   ///< Wait for `wait`, then ask again.
    kList,   ///< List with `list`, then on_page() or on_failure().
    kWatch,  ///< Open `watch`, then on_opened() or on_failure().
  };
  Kind kind = Kind::kWait;
  std::chrono::milliseconds wait{0};
  kube::ListOptions list{};
  kube::WatchOptions watch{};
  bool begins_state = false;  ///< A full state begins: take note of what is known.
  WatchAction() = default;
};

/// What the driver is to do with an event or a page.
struct WatchVerdict {
  enum class Deliver { kNothing, kApplied, kDeleted };
  Deliver deliver = Deliver::kNothing;
  bool initial = false;         ///< Part of a full state.
  bool state_complete = false;  ///< The full state has been told: synthesize deletes, synced().
  bool close = false;           ///< Let go of the stream and ask next().
  WatchVerdict() = default;
};

/// How often things happened since the start; for metrics.
struct WatchCounters {
  std::size_t lists_started = 0;    ///< Full states begun, WatchLists included.
  std::size_t relists_expired = 0;  ///< Of these, because the one before had met a 410.
  std::size_t relists_failed = 0;   ///< Of these, because of another failure.
  std::size_t watches_opened = 0;
  std::size_t failures = 0;
  std::size_t skipped = 0;  ///< Objects that could not be read.
};

/// The rules of list and watch, without any I/O; see WatchState. The driver asks next(), does it,
/// and tells what came of it.
///
/// Source: client-go tools/cache/reflector.go for the rules; api-concepts "Efficient detection of
/// changes". Threads: one.
class WatchMachine {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Options {
    kube::Selection selection{};
    bool use_watch_list = true;
    std::size_t page_size = 500;
    std::chrono::seconds min_watch{300};  ///< The server's timeout is random between these two.
    std::chrono::seconds max_watch{600};
    BackoffOptions backoff{};
    /// Answers 0 ≤ x < 1. Null: a generator of its own.
    std::function<double()> random{};
    Options() = default;
  };

  explicit WatchMachine(Options options);

  [[nodiscard]] WatchAction next();
  /// A page came. The driver tells its items as initial ones.
  [[nodiscard]] WatchVerdict on_page(const kube::ObjectList& page);
  void on_opened(Time now);
  [[nodiscard]] WatchVerdict on_event(const kube::WatchEvent& event, Time now);
  /// The stream ended in order.
  void on_ended(Time now);
  /// The list, the opening or the stream failed.
  void on_failure(const Error& error, Time now);

  WatchState state() const { return state_; }
  bool synced() const { return synced_; }  ///< A full state has been told at least once.
  const std::string& resource_version() const { return resource_version_; }
  const WatchCounters& counters() const { return counters_; }

 private:
  WatchAction start_state();
  WatchAction list_action() const;
  WatchAction watch_action(bool initial);
  std::chrono::seconds random_timeout();
  void complete_state(WatchVerdict& verdict);
  void list_failed(const Error& error);
  void streaming_failed(const Error& error);
  void watching_failed(const Error& error);
  void pause(std::optional<std::chrono::seconds> hint, Time now);

  Options options_;
  WatchState state_ = WatchState::kStart;
  std::string resource_version_;     ///< The last one seen; "" = none yet.
  std::string continue_token_;       ///< While kListing.
  bool newest_state_ = false;        ///< resource_version_ is of no use: ask for the newest state.
  bool full_list_ = false;           ///< A continue token expired: no pages this time.
  bool watch_list_refused_ = false;  ///< The server does not know WatchList.
  bool list_next_ = false;           ///< A WatchList failed: list the next time.
  int streams_lost_ = 0;             ///< WatchLists cut in a row.
  bool expired_ = false;             ///< The last failure was a 410.
  bool synced_ = false;
  Backoff backoff_;
  std::chrono::milliseconds pause_{0};
  Time opened_{};
  std::size_t events_ = 0;  ///< On the present stream.
  WatchCounters counters_;
};

}  // namespace kiln::runtime
