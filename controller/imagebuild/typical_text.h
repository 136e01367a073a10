#pragma once
#include <string_view>

namespace kiln::imagebuild {

/// What ImageBuilds have in common, as Object::json() writes them: the names of their fields, the
/// words of conditions, the defaults. For a TextPacker; that it is up to date makes kept texts
/// smaller, and nothing depends on it.
std::string_view typical_image_build();

}  // namespace kiln::imagebuild
