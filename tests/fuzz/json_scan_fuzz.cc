// JSON text that is taken apart without being read, and what an API server's objects are without
// the copy that kubectl apply keeps. The oracle reads it all.
#include "controller/kube/last_applied.h"
#include "controller/kube/object.h"
#include "core/base/json.h"
#include "core/base/json_scan.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln {
namespace {

using fuzzing::require;

/// `text` is dump_json(value).
void check_parts(std::string_view text, const Json& value) {
  JsonScan scan(text);
  std::size_t count = 0;
  for (auto one = value.begin(); value.is_structured() && one != value.end(); ++one, ++count) {
    const auto part = scan.next();
    require(part.has_value(), "each part is found");
    require(part->value == dump_json(*one), "and is what it is");
    if (value.is_object())
      require(dump_json(one.key()) == "\"" + std::string(part->name) + "\"", "by its name");
  }
  require(!scan.next(), "and no other");
}

void check_text(std::string_view text, const Json& value) {
  const auto read = json_ascii_text(text);
  if (read)
    require(value.is_string() && value.get<std::string>() == *read, "a text is what it says");
}

void check_member(std::string_view text, Json value) {
  if (!value.is_object()) return;
  const auto changed = parse_json(with_json_member(text, "metadata", "[1]"));
  value["metadata"] = Json::array({1});
  require(changed && *changed == value, "one member is another, and no other is");
}

void forget_of(Json& object) {
  if (!object.is_object() || !object.contains("metadata")) return;
  auto& metadata = object["metadata"];
  if (!metadata.is_object() || !metadata.contains("annotations")) return;
  if (metadata["annotations"].is_object()) metadata["annotations"].erase(kube::kLastApplied);
}

void check_cut(std::string_view text, Json value) {
  const auto cut = parse_json(kube::without_last_applied(std::string(text)));
  forget_of(value);
  if (value.is_object() && value.contains("object")) forget_of(value["object"]);
  if (value.is_object() && value.contains("items") && value["items"].is_array())
    for (auto& item : value["items"]) forget_of(item);
  require(cut && *cut == value, "what is cut is the copy alone");
}

/// An object of the API is the same whether its text was scanned or, written for people, parsed.
void check_object(std::string_view text, const Json& value) {
  const auto scanned = kube::Object::parse(text);
  const auto parsed = kube::Object::parse(value.dump(1));
  require(scanned.has_error() == parsed.has_error(), "both are objects, or none is");
  if (!scanned) return;
  require(scanned->key() == parsed->key() && scanned->kind() == parsed->kind(), "the same one");
  const auto whole = parse_json(scanned->json());
  const auto other = parse_json(parsed->json());
  require(whole && other && *whole == *other, "with all that is in it");
}

}  // namespace
}  // namespace kiln

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const auto text = fuzzing::text_of(data, size);
  const auto cut = kube::without_last_applied(std::string(text));
  fuzzing::require(cut.size() <= text.size(), "nothing is added");
  const auto value = parse_json(text);
  fuzzing::require(value || !json_ascii_text(text), "no text where there is no JSON");
  if (!value) return 0;
  check_text(text, *value);
  fuzzing::require(parse_json(cut).has_value(), "JSON stays JSON, however it is written");
  const auto compact = dump_json(*value);
  check_parts(compact, *value);
  check_member(compact, *value);
  check_cut(compact, *value);
  check_object(compact, *value);
  return 0;
}
