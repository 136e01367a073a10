#pragma once
// Heavy (JSON): for the .cc files of this folder only.
#include "controller/kube/object.h"
#include "core/base/json.h"

namespace kiln::kube {

// Generous: the API server itself takes no more than 3 MiB, and CRDs may nest deeply.
inline constexpr std::size_t kMaxDepth = 256;

/// Parses an object, a list or a watch's event of which objects are kept: what nobody looks at is
/// cut from the text before. Errors: those of parse_json().
[[nodiscard]] Result<Json> parse_json_for_keeping(std::string_view text);

/// Object::parse for JSON that is parsed already.
class ObjectReader {
 public:
  /// Takes `json` by value: it is reduced and then written out.
  [[nodiscard]] static Result<Object> read(Json json);
  /// What lists and watches bring, see Object::for_keeping().
  [[nodiscard]] static Result<Object> read_for_keeping(Json json);
};

}  // namespace kiln::kube
