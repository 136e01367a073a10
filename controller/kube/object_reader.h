#pragma once
// Heavy (JSON): for the .cc files of this folder only.
#include <map>
#include <optional>
#include <string_view>

#include "controller/kube/object.h"
#include "core/base/json.h"

namespace kiln::kube {

// Generous: the API server itself takes no more than 3 MiB, and CRDs may nest deeply.
inline constexpr std::size_t kMaxDepth = 256;

/// Parses an object, a list or a watch's event of which objects are kept: what nobody looks at is
/// cut from the text before. Errors: those of parse_json().
[[nodiscard]] Result<Json> parse_json_for_keeping(std::string_view text);

/// The members of a JSON object, by name.
using JsonMembers = std::map<std::string_view, std::string_view>;

/// nullopt where JsonScan cannot tell them: a parser has to look at `text`. Lifetime: of the text.
[[nodiscard]] std::optional<JsonMembers> members_of(std::string_view text);

enum class Reduction {
  kUsual,       ///< See Object.
  kForKeeping,  ///< What lists and watches bring, see Object::for_keeping().
};

/// Object::parse for the text of an object, of which little but the metadata is parsed, or for JSON
/// that is parsed already.
class ObjectReader {
 public:
  [[nodiscard]] static Result<Object> read(std::string_view text, Reduction reduction);
  /// Takes `json` by value: it is reduced and then written out.
  [[nodiscard]] static Result<Object> read(Json json, Reduction reduction);

 private:
  static Result<Object> read_members(JsonMembers members, Json metadata, std::string kind,
                                     std::string api_version, Reduction reduction);
};

}  // namespace kiln::kube
