#pragma once
// Heavy (JSON): for the .cc files of this folder only.
#include "controller/api/json_reader.h"
#include "controller/api/status.h"

namespace kiln::api {

/// Reads status. Wrong fields are as if absent: it is ours to write again.
Status read_status(JsonReader reader);

}  // namespace kiln::api
