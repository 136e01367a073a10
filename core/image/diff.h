#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/image/image.h"
#include "core/layer/layer.h"

namespace kiln::image {

/// One path that two images do not share.
struct FileChange {
  enum class Kind { kAdded, kRemoved, kChanged } kind = Kind::kChanged;
  std::string path;  ///< Absolute: "/usr/share/nginx/html/index.html".
  /// What differs, for kChanged, in this order: "kind", "content", "size", "mode", "owner",
  /// "target", "xattrs", "time".
  std::vector<std::string> what{};
  std::optional<std::uint64_t> size_before{};  ///< Of a regular file.
  std::optional<std::uint64_t> size_after{};
};

/// One field of the configs that differs: {"config.Env.PATH", "/bin", "/usr/bin:/bin"}. Values are
/// compact JSON; unset = absent.
struct ConfigChange {
  std::string field;
  std::optional<std::string> before{};
  std::optional<std::string> after{};
};

struct DiffOptions {
  bool times = false;  ///< Also tells files that differ in nothing but their time.
};

/// What the file systems that two lists of layers (lowest first) make differ in, by path. Layers
/// that both have are not compared byte by byte; contents are compared by SHA-256.
/// Blocking: for the WorkPool. Errors: of reading the layers.
[[nodiscard]] Result<std::vector<FileChange>> diff_files(const std::vector<layer::Blob>& a,
                                                         const std::vector<layer::Blob>& b,
                                                         const DiffOptions& options);

/// What two configs differ in, by field: runtime config field by field (environment, labels, ports
/// and volumes by key), then created, author, os and architecture. Not diff_ids and history.
std::vector<ConfigChange> diff_configs(const oci::Config& a, const oci::Config& b);

}  // namespace kiln::image
