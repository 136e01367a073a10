#pragma once
#include <string>
#include <vector>

#include "core/oci/config.h"

namespace kiln::oci {

struct RebasedConfig {
  Config config;
  /// Where the image's changes and the new base do not go together, for people: "the new base has
  /// no environment variable FOO, which the image unset".
  std::vector<std::string> warnings{};

  explicit RebasedConfig(Config c) : config(std::move(c)) {}
};

/// What `image` changed of `old_base`, applied to `new_base`: a three-way merge.
///
/// "config": a field that the image left alone is the new base's; one that it changed, added or
/// removed stays as the image has it. Environment (by name, in the new base's order, then the
/// image's additions), labels, ports and volumes go key by key. Setting an entrypoint means setting
/// args too, as in Docker: the new base's args never follow the image's entrypoint. Absent, null,
/// false and empty are the same.
/// Other fields, known or not, likewise; but os, architecture and their like are the new base's,
/// and "created" is the image's. diff_ids and history: the new base's, then those of the image's
/// own layers. A new base without history (it is optional) leaves the result without; where it has
/// fewer lines than layers, empty ones stand for the missing, so that the image's own stay with
/// their layers.
///
/// `image` must begin with the diff_ids of `old_base`.
[[nodiscard]] RebasedConfig rebase_config(const Config& image, const Config& old_base,
                                          const Config& new_base);

}  // namespace kiln::oci
