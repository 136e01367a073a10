#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/oci/digest.h"
#include "core/oci/platform.h"

namespace kiln::oci {

/// One line of an image's history. Source: image-spec v1.1, config.md.
struct HistoryEntry {
  std::string created;  ///< RFC 3339.
  std::string created_by;
  std::string comment{};
  bool empty_layer = false;
};

/// "PATH=/bin" → "PATH".
std::string_view env_name(std::string_view assignment);

/// What a build changes in a base's runtime configuration. Unset means: as the base has it.
struct ConfigPatch {
  std::optional<std::vector<std::string>>
      entrypoint{};  ///< Setting it without args clears the base's args.
  std::optional<std::vector<std::string>> args{};
  std::vector<std::pair<std::string, std::string>> env{};
  std::vector<std::string> unset_env{};
  std::map<std::string, std::string> labels{};
  std::optional<std::string> user{};
  std::optional<std::string> working_dir{};
  std::vector<std::string> exposed_ports{};  ///< "8080/tcp"; "8080" means tcp.
  std::vector<std::string> volumes{};
  std::optional<std::string> stop_signal{};

  bool empty() const;
  /// Canonical JSON: equal patches give equal text (the input key is made of it).
  std::string to_json() const;
};

/// An image config. A value: copying is cheap (shared), changing makes a new one. Fields this
/// program does not know are kept as the base has them.
class Config {
 public:
  /// A config for a new image with no base. `created` is RFC 3339.
  static Config scratch(const Platform& platform, std::string_view created);
  /// Errors: kCorrupt, naming the wrong part.
  [[nodiscard]] static Result<Config> parse(std::string_view json);

  Platform platform() const;
  std::vector<Digest> diff_ids() const;
  std::vector<HistoryEntry> history() const;
  std::vector<std::string> entrypoint() const;
  std::vector<std::string> args() const;  ///< "Cmd"
  std::vector<std::string> env() const;   ///< "NAME=value"
  std::map<std::string, std::string> labels() const;
  std::string user() const;
  std::string working_dir() const;
  std::string created() const;  ///< RFC 3339; "" = not said.

  [[nodiscard]] Config with_patch(const ConfigPatch& patch) const;
  /// Adds a layer's diff_id and its history line. A base without history (it is optional) stays
  /// without.
  [[nodiscard]] Config with_layer(const Digest& diff_id, const HistoryEntry& entry) const;
  /// One layer in the place of all there are; the history is its line alone.
  [[nodiscard]] Config with_only_layer(const Digest& diff_id, const HistoryEntry& entry) const;
  /// Adds a line for a change that made no layer.
  [[nodiscard]] Config with_empty_history(const HistoryEntry& entry) const;
  [[nodiscard]] Config with_created(std::string_view rfc3339) const;

  /// Canonical: sorted keys, compact. Equal configs give equal bytes.
  std::string to_json() const;

 private:
  struct Document;
  explicit Config(std::shared_ptr<const Document> document) : document_(std::move(document)) {}
  std::shared_ptr<const Document> document_;
};

}  // namespace kiln::oci
