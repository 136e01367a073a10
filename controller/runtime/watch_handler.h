#pragma once
#include <vector>

#include "controller/kube/object.h"

namespace kiln::runtime {

/// How an object came to the handler's notice.
enum class Origin {
  kInitial,  ///< By a list: at the start, or after the watch had lost its place.
  kChange,   ///< By an event: somebody did something just now.
};

/// Hears what a Watcher sees. Level-triggered: applied() tells a state, not a difference, and may
/// tell the same state twice; whoever cares compares resourceVersions. Calls come one at a time, on
/// the watcher's executor, and must return quickly. An exception is counted and logged, and the
/// object skipped.
class WatchHandler {
 public:
  virtual ~WatchHandler() = default;

  /// The object is there, like this.
  virtual void applied(const kube::Object& object, Origin origin) = 0;
  /// Would applied() of this state change nothing? Then it may be left out.
  virtual bool is_known(const kube::ObjectState& /*state*/) const { return false; }
  /// The object is gone. May be told for an object that was never applied.
  virtual void deleted(const kube::ObjectKey& key) = 0;
  /// Which objects of this watch the handler believes to be there. Asked when a list begins: those
  /// that the list does not show are told to deleted(). So a handler that keeps only what it needs
  /// makes the watcher need no memory of its own. Keys of namespaces that are not the watcher's do
  /// no harm: several watchers may share a handler.
  virtual std::vector<kube::ObjectKey> known() const = 0;
  /// Everything there was when the list began has been told. Comes after each list.
  virtual void synced() {}
};

}  // namespace kiln::runtime
