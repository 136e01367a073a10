#pragma once
#include <string>

#include "controller/api/image_build.h"
#include "core/source/git_ref.h"

namespace kiln::plan {

/// Which revision a git entry asks for, as core/source has it.
source::GitRef git_ref_of(const api::GitSource& git);

}  // namespace kiln::plan
