#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/conditions.h"

/// The status of an ImageBuild. Times are RFC 3339 text, durations Go's; "" means not set.
namespace kiln::api {

/// Why something was built: Created, SpecChanged, ContentChanged, BaseChanged, Requested, Adopted
/// or Restored; and from what to what.
struct Reason {
  std::string type;
  std::string from{};
  std::string to{};

  Reason() = default;
  explicit Reason(std::string t, std::string f = {}, std::string n = {})
      : type(std::move(t)), from(std::move(f)), to(std::move(n)) {}
  friend bool operator==(const Reason&, const Reason&) = default;
};

/// A push under way: written before a tag moves, unless the status says nothing yet.
struct Pending {
  std::string input_key;
  std::string digest;
  std::vector<std::string> tags;
  friend bool operator==(const Pending&, const Pending&) = default;
};

struct BasePlatform {
  std::string platform;
  std::string digest;
  friend bool operator==(const BasePlatform&, const BasePlatform&) = default;
};

struct BaseStatus {
  std::string reference;
  std::string digest;
  std::vector<BasePlatform> platforms;
  friend bool operator==(const BaseStatus&, const BaseStatus&) = default;
};

struct ContentStatus {
  std::string path;
  std::string source;
  std::string revision;
  std::string digest;
  std::int64_t files = 0;
  std::int64_t size = 0;
  friend bool operator==(const ContentStatus&, const ContentStatus&) = default;
};

struct LayerStatus {
  std::string digest;
  std::string diff_id;
  std::int64_t size = 0;
  std::string media_type;
  std::string created_by;
  friend bool operator==(const LayerStatus&, const LayerStatus&) = default;
};

struct Stage {
  std::string name;
  std::string duration;
  friend bool operator==(const Stage&, const Stage&) = default;
};

struct LastBuild {
  std::vector<Reason> reasons;
  std::string started_at;
  std::string completed_at;
  std::string duration;
  std::vector<Stage> stages;
  std::int64_t uploaded_bytes = 0;
  std::int64_t reused_bytes = 0;
  friend bool operator==(const LastBuild&, const LastBuild&) = default;
};

struct HistoryEntry {
  std::string digest;
  std::string input_key;
  std::string completed_at;
  std::vector<Reason> reasons;
  std::vector<std::string> tags{};  ///< Named after this build: those with variables.
  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

struct Status {
  std::int64_t observed_generation = -1;
  Conditions conditions;
  std::string digest;
  std::string image;
  std::vector<std::string> tags;
  std::string input_key;
  std::optional<Pending> pending;
  std::string encoder;
  std::optional<BaseStatus> base;
  std::vector<ContentStatus> content;
  std::vector<LayerStatus> layers;
  std::string layers_key;
  std::optional<LastBuild> last_build;
  std::vector<HistoryEntry> history;
  std::string last_handled_reconcile_at;
  std::string next_poll_at;
  friend bool operator==(const Status&, const Status&) = default;
};

/// The status as JSON, canonical (sorted keys, compact). Strings and lists that are longer than the
/// schema allows are cut, messages to 1024 bytes.
std::string status_json(const Status& status);

}  // namespace kiln::api
