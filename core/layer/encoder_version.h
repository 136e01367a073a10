#pragma once
#include <string>

#include "core/layer/compressor.h"

namespace kiln::layer {

/// encoder_id() and the version of the library at work, for what is kept on one machine: where
/// either is another, bytes may be too.
std::string encoder_version(Compression compression);

}  // namespace kiln::layer
