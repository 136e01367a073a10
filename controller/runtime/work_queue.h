#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "controller/kube/object.h"
#include "controller/runtime/backoff.h"

namespace kiln::runtime {

/// Who goes first. Within a priority namespaces take turns, so that one with a thousand keys does
/// not hold up one with a single key; within a namespace, first come, first served.
enum class Priority {
  kLow,     ///< From an initial list: nobody is waiting for it.
  kNormal,  ///< Timers, retries, changes of content.
  kHigh,    ///< A user changed the object and is looking at it.
};

struct RetryDelays {
  std::chrono::milliseconds first{750};        ///< --min-retry-delay
  std::chrono::milliseconds cap{15 * 60'000};  ///< --max-retry-delay
  double jitter = 0.1;  ///< Delays are longer by a random share of up to this.
};

/// How often things happened since the start; for metrics.
struct WorkQueueCounters {
  std::size_t adds = 0;     ///< Keys that began to wait; adding one that waits already is none.
  std::size_t retries = 0;  ///< Calls of retry().
};

/// Keys that want a reconcile, without any I/O or clock. A key is
///   waiting     in here once, however often it was added; the highest priority counts;
///   processing  with a worker: nobody else gets it; added meanwhile, it waits again after done();
///   delayed     it becomes waiting at a time; of several times the earliest counts, and adding the
///               key at once drops the delay, unless it is the pause of done().
///
/// Failures are counted per key (retry, forget), so a key that fails does not slow others.
/// Source: client-go util/workqueue for the semantics. Threads: one.
class WorkQueue {
 public:
  using Key = kube::ObjectKey;
  using Time = std::chrono::steady_clock::time_point;

  /// `random` answers 0 ≤ x < 1; null: a generator of its own.
  explicit WorkQueue(RetryDelays delays, std::function<double()> random = nullptr);
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// After close() nothing is added any more.
  void add(const Key& key, Priority priority, Time now);
  void add_at(const Key& key, Time due, Priority priority);
  /// Adds after the key's own growing delay (or after `at_least`, whichever is later), counting one
  /// more failure. Answers the delay.
  std::chrono::milliseconds retry(const Key& key, Time now,
                                  std::chrono::milliseconds at_least = {});
  /// The key succeeded: its failures are forgotten.
  void forget(const Key& key) { failures_.erase(key); }
  int failures(const Key& key) const;

  struct Taken {
    Key key;
    Time since;  ///< When it was added (or came due), for the time it spent here.
    Time asked;  ///< When it was last added (or came due).
    Taken(Key k, Time s, Time a) : key(std::move(k)), since(s), asked(a) {}
  };
  /// The next key, now processing; nullopt = nothing is waiting. Delays that are over at `now` end.
  std::optional<Taken> take(Time now);
  /// A worker is done with the key, which take() gave to it.
  void done(const Key& key) { done(key, Time(), std::chrono::milliseconds(0)); }
  /// The same; if it was added meanwhile it waits again only after a pause, and whatever is added
  /// until then waits with it: who edits faster than work gets done causes few pieces of work.
  void done(const Key& key, Time now, std::chrono::milliseconds pause);

  /// Takes the key out of waiting and delays, and forgets it: its object is gone for good.
  void drop(const Key& key);
  /// No more adding; what waits or is delayed is dropped, what is processing goes on.
  void close();
  bool closed() const { return closed_; }

  std::optional<Time> next_due() const;  ///< When the earliest delay is over.
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t delayed() const { return delayed_.size(); }
  std::size_t processing() const { return processing_.size(); }
  bool has_waiting() const { return !waiting_.empty(); }

  const WorkQueueCounters& counters() const { return counters_; }
  /// How long the keys that are processing have been so: all together, and the longest.
  Time::duration unfinished_work(Time now) const;
  Time::duration longest_running(Time now) const;

 private:
  struct Waiting {
    Priority priority;
    std::size_t turn;
    std::size_t number;
    Time since;
    Time asked;
  };
  struct Again {
    Priority priority;
    Time since;
    Time asked;
  };
  struct Processing {
    Time began;
    std::optional<Again> again{};  ///< Set: added meanwhile.
  };
  using Rank = std::tuple<int, std::size_t, std::size_t>;  ///< Lower goes first.
  /// The keys of one namespace and priority get a turn each; a namespace that comes later begins at
  /// the turn that is on.
  using Lane = std::pair<Priority, std::string>;
  static Rank rank(const Waiting& waiting);
  std::size_t next_turn(const Key& key, Priority priority);
  void enqueue(const Key& key, const Again& wanted);
  void wake_due(Time now);
  void undelay(const Key& key);

  RetryDelays delays_;
  std::function<double()> random_;
  bool closed_ = false;
  std::size_t next_number_ = 0;
  std::unordered_map<Key, Waiting> waiting_;
  std::map<Rank, const Key*> order_;          ///< The keys of waiting_, which stay where they are.
  std::map<Lane, std::size_t> lanes_;         ///< The turn that each gave out last.
  std::map<Priority, std::size_t> turns_on_;  ///< The turn of the key that was taken last.
  std::unordered_map<Key, Processing> processing_;
  std::unordered_map<Key, std::pair<Time, Priority>> delayed_;
  struct Due {
    Time at;
    const Key* key;  ///< Of delayed_, likewise.
  };
  struct Sooner {
    bool operator()(const Due& a, const Due& b) const {
      return a.at != b.at ? a.at < b.at : *a.key < *b.key;
    }
  };
  std::set<Due, Sooner> due_;
  std::unordered_map<Key, Time> paused_;  ///< Until when; of keys that are delayed, too.
  std::unordered_map<Key, int> failures_;
  WorkQueueCounters counters_;
};

}  // namespace kiln::runtime
