#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/oci/config.h"
#include "core/oci/manifest.h"

namespace CLI {
class App;
}

namespace kiln::cli {

/// --entrypoint, --args, --env, --label and the like: what `append` and `mutate` change in a
/// config.
struct ConfigFlags {
  std::vector<std::string> entrypoint{};
  std::vector<std::string> args{};
  bool entrypoint_given = false;
  bool args_given = false;
  std::vector<std::string> env{};
  std::vector<std::string> unset_env{};
  std::vector<std::string> labels{};
  std::vector<std::string> annotations{};
  std::optional<std::string> user{};
  std::optional<std::string> working_dir{};
  std::optional<std::string> stop_signal{};
  std::vector<std::string> ports{};
  std::vector<std::string> volumes{};
  std::string created{};

  /// Lifetime: this object outlives the parsing.
  void add_to(CLI::App& command);
  /// Errors: kInvalid, naming the flag.
  Result<oci::ConfigPatch> patch() const;
  Result<oci::Annotations> annotation_map() const;
  /// --created, else SOURCE_DATE_EPOCH, else unset. RFC 3339. Errors: kInvalid.
  Result<std::optional<std::string>> created_time() const;
};

/// The words of a list flag: given once, its commas part them; given more often, each value is one
/// word. One empty value is the empty list.
std::vector<std::string> words_of(const std::vector<std::string>& values);

/// $SOURCE_DATE_EPOCH in seconds; unset where it is not set. Source: reproducible-builds.org,
/// SOURCE_DATE_EPOCH. Errors: kInvalid for what is not a number of seconds since 1970.
[[nodiscard]] Result<std::optional<std::int64_t>> source_date_epoch();

}  // namespace kiln::cli
