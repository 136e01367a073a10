#pragma once
#include <compare>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace kiln::rollout {

/// What a workload is annotated with whose images come from ImageBuilds of its namespace.
inline constexpr std::string_view kImageFrom = "kiln.build/image-from";

/// Where an image stands in a pod template.
struct Place {
  enum class Kind { kContainer, kVolume };  ///< kContainer: an init container, too.

  Kind kind = Kind::kContainer;
  std::string name;

  Place() = default;
  Place(Kind k, std::string n) : kind(k), name(std::move(n)) {}
  std::string str() const;  ///< container "web"
  friend auto operator<=>(const Place&, const Place&) = default;
};

/// One entry of the annotation.
struct ImageFrom {
  std::string image_build;
  Place place;
  friend bool operator==(const ImageFrom&, const ImageFrom&) = default;
};

/// Reads the annotation: a JSON list of {"imageBuild": NAME, "container": NAME} and
/// {"imageBuild": NAME, "volume": NAME}, at least one, at most 64.
/// Errors: kInvalid, naming the entry and what to write instead.
[[nodiscard]] Result<std::vector<ImageFrom>> parse_image_from(std::string_view text);

}  // namespace kiln::rollout
