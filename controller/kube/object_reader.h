#pragma once
// Heavy (JSON): for the .cc files of this folder only.
#include "controller/kube/object.h"
#include "core/base/json.h"

namespace kiln::kube {

/// Object::parse for JSON that is parsed already.
class ObjectReader {
 public:
  /// Takes `json` by value: it is reduced and then written out.
  [[nodiscard]] static Result<Object> read(Json json);
  /// What lists and watches bring, see Object::for_keeping().
  [[nodiscard]] static Result<Object> read_for_keeping(Json json);
};

}  // namespace kiln::kube
