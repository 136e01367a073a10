#pragma once
#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace kiln::oci {

/// An operating system and CPU, e.g. linux/arm64/v8. Source: image-spec v1.1, image-index.md.
struct Platform {
  std::string os;
  std::string architecture;
  std::string variant{};
  std::string os_version{};
  std::vector<std::string> os_features{};  ///< As they stand: "win32k".

  /// "os/arch" or "os/arch/variant". Errors: kInvalid.
  [[nodiscard]] static Result<Platform> parse(std::string_view text);
  std::string str() const;

  /// True if an image for `offered` serves who asked for this: same os and architecture, and the
  /// same variant where this names one ("arm64" and "arm64/v8" are the same).
  bool matches(const Platform& offered) const;

  friend auto operator<=>(const Platform&, const Platform&) = default;
};

}  // namespace kiln::oci
