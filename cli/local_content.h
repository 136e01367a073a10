#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "controller/api/image_build.h"
#include "core/base/error.h"

namespace kiln::cli {

/// --local-content PATH=DIR: a folder of this machine in the place of a content entry.
struct LocalContent {
  std::size_t entry;
  std::string directory;
};

/// The entries that --local-content replaces get a stand-in, so that the rest of the spec is
/// checked as ever. Errors: kInvalid, saying which paths there are.
[[nodiscard]] Result<std::vector<LocalContent>> stand_in(api::ImageBuild& build,
                                                         const std::vector<std::string>& flags);

}  // namespace kiln::cli
