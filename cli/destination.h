#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/error.h"
#include "core/base/work_pool.h"
#include "core/oci/reference.h"
#include "core/registry/client.h"
#include "core/store/destination.h"

namespace kiln::cli {

/// Where an image goes, as it stands on the command line: a reference, or "oci:DIR[:TAG]".
class Target {
 public:
  /// Errors: kInvalid; kUnsupported for oci-archive:, docker-archive: and docker-daemon:.
  [[nodiscard]] static Result<Target> parse(std::string_view text);

  /// Opens it for writing. Lifetime: `registry` and `pool` outlive the destination.
  [[nodiscard]] Result<std::unique_ptr<store::Destination>> open(registry::Client& registry,
                                                                 registry::Access access,
                                                                 WorkPool& pool) const;
  bool is_registry() const { return reference_.has_value(); }
  /// Only where is_registry().
  const oci::Reference& reference() const { return *reference_; }
  const std::string& tag() const { return tag_; }
  /// What the last line of the output begins with: "registry/path" or "oci:DIR".
  std::string name() const;

 private:
  Target() = default;
  std::optional<oci::Reference> reference_;
  std::string directory_;
  std::string tag_;
};

}  // namespace kiln::cli
