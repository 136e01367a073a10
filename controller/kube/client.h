#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/kube/object.h"
#include "controller/kube/resource_type.h"
#include "controller/kube/watch_event.h"
#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln::kube {

/// Which objects of a type a list or a watch is about.
struct Selection {
  std::string namespace_;      ///< "" = all namespaces.
  std::string name;            ///< Only the object of this name; "" = all.
  std::string label_selector;  ///< "" = all.
  bool metadata_only = false;  ///< Objects then hold nothing but `metadata`.
  Selection() = default;
};

struct ListOptions {
  Selection selection{};
  std::size_t limit = 0;         ///< Objects per page; 0 = all at once.
  std::string continue_token{};  ///< From the page before; "" = the first page.
  /// "" = the newest state there is; "0" = whatever a cache has; else not older than this.
  std::string resource_version{};
  ListOptions() = default;
};

/// One page. Objects that could not be read are left out and counted.
struct ObjectList {
  std::vector<Object> items{};
  std::string resource_version{};
  std::string continue_token{};  ///< "" = this was the last page.
  std::size_t undecodable = 0;
  ObjectList() = default;
};

struct WatchOptions {
  Selection selection{};
  std::string resource_version{};     ///< Events after this one.
  std::chrono::seconds timeout{300};  ///< The server ends the watch after so long.
  /// WatchList: the present state as kAdded events first, then a bookmark with initial_events_end.
  bool send_initial_events = false;
  /// May be asked of an object before it is read. Where it answers true, the event says which
  /// object it is and no more: reading it is most of what an event costs.
  std::function<bool(const ObjectState& state)> is_known{};
  WatchOptions() = default;
};

/// A watch under way. Destroying it ends it.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  /// The next event; nullopt = the server ended the watch in order.
  /// Errors: kUnavailable (cut), kTimeout (silent for longer than WatchOptions::timeout and some
  /// seconds).
  [[nodiscard]] virtual Task<Result<std::optional<WatchEvent>>> next() = 0;
};

/// What a write that depends on what was read demands of the object.
struct Precondition {
  std::string resource_version{};  ///< "" = none. Another one there: kConflict.
  std::string uid{};               ///< "" = none. Another one there: kConflict.
  Precondition() = default;
  /// Exactly this state of this object.
  static Precondition unchanged(const ObjectMeta& meta);
};

/// The API server. Errors of all calls:
///   kNotFound, kConflict (also "already exists"), kGone (410, resourceVersion too old), kDenied,
///   kUnauthorized, kInvalid (the server refuses the request for good; also "too large"),
///   kRateLimited and kUnavailable (with the server's hint, after a few short retries), kTimeout.
/// Messages are the server's, sanitized, and name the object.
/// Cancellation: at any point; whether a write under way took place is then unknown.
/// Threads: the I/O executor it was made with. Lifetime: outlives its tasks and streams.
class Client {
 public:
  virtual ~Client() = default;

  [[nodiscard]] virtual Task<Result<Object>> get(ResourceType type, ObjectKey key) = 0;
  /// Like get, but what the server remembers will do, which saves it a question to etcd: a state
  /// that is not older than `resource_version`; "0" = however old. Errors: kGone too, where the
  /// server does not come to that version.
  [[nodiscard]] virtual Task<Result<Object>> get_remembered(ResourceType type, ObjectKey key,
                                                            std::string resource_version) = 0;
  /// Like get, but only `metadata` travels.
  [[nodiscard]] virtual Task<Result<Object>> get_metadata(ResourceType type, ObjectKey key) = 0;
  /// One page. A resourceVersion ahead of the server's: kGone, as one that is too old.
  [[nodiscard]] virtual Task<Result<ObjectList>> list(ResourceType type, ListOptions options) = 0;
  [[nodiscard]] virtual Task<Result<std::unique_ptr<WatchStream>>> watch(ResourceType type,
                                                                         WatchOptions options) = 0;

  /// `json` is the whole object; its name must be fixed (no generateName): a create whose answer
  /// was lost then shows itself as kConflict. Never sent twice, except after 429.
  [[nodiscard]] virtual Task<Result<Object>> create(ResourceType type, std::string namespace_,
                                                    std::string json) = 0;
  /// RFC 7396 merge patch; answers the object as it is now.
  [[nodiscard]] virtual Task<Result<Object>> merge_patch(ResourceType type, ObjectKey key,
                                                         std::string patch,
                                                         Precondition precondition) = 0;
  /// PUT on /status of a custom resource, of which nothing else changes: `status` is all of it, as
  /// JSON. To the server that is a fifth less work than a patch. The precondition must have a
  /// resourceVersion (kInvalid). Only `metadata` travels back: the rest of the object is what it
  /// was and what was sent, and is the larger part of the server's work.
  [[nodiscard]] virtual Task<Result<Object>> update_status(ResourceType type, ObjectKey key,
                                                           std::string status,
                                                           Precondition precondition) = 0;
  /// Server-side apply: the fields in `json`, an object with nothing else in it, become those of
  /// the field manager `manager`, whoever had them; what it had and `json` lacks is taken away
  /// where nobody else has it. Lists are merged by their keys: an item that is not there is added.
  /// Type, name and precondition are filled in; with a uid in the precondition an object that is
  /// gone is not made anew (kConflict).
  /// Source: kubernetes.io/docs/reference/using-api/server-side-apply.
  [[nodiscard]] virtual Task<Result<Object>> apply(ResourceType type, ObjectKey key,
                                                   std::string json, std::string manager,
                                                   Precondition precondition) = 0;
  /// PUT on the whole object: `json` holds the resourceVersion it is based on. For leases.
  [[nodiscard]] virtual Task<Result<Object>> update(ResourceType type, ObjectKey key,
                                                    std::string json) = 0;
  /// Starts the deletion; an object with finalizers stays for a while.
  [[nodiscard]] virtual Task<Result<void>> remove(ResourceType type, ObjectKey key,
                                                  Precondition precondition) = 0;
};

}  // namespace kiln::kube
