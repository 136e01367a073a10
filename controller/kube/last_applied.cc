#include "controller/kube/last_applied.h"

#include "core/base/json_scan.h"

namespace kiln::kube {
namespace {

/// Copies a text but for the parts that it is told of.
class Cutter {
 public:
  explicit Cutter(std::string_view text) : text_(text) {}

  /// `member` is of the text, and one of `object`'s. The comma beside it goes, too.
  void cut(std::string_view object, std::string_view member) {
    auto begin = static_cast<std::size_t>(member.data() - text_.data());
    auto end = begin + member.size();
    if (text_[end] == ',')
      ++end;
    else if (member.data() != object.data() + 1)
      --begin;
    rest_.append(text_, from_, begin - from_);
    from_ = end;
  }

  std::string rest() { return std::move(rest_.append(text_, from_)); }

 private:
  std::string_view text_;
  std::string rest_;
  std::size_t from_ = 0;
};

void cut_of_metadata(std::string_view metadata, Cutter& cutter) {
  const auto annotations = json_member(metadata, "annotations");
  JsonScan scan(annotations);
  while (const auto part = scan.next())
    if (part->name == kLastApplied) return cutter.cut(annotations, part->whole);
}

/// Of an object, the objects in a list, and the one in an event.
void cut_of_object(std::string_view object, Cutter& cutter) {
  JsonScan scan(object);
  while (const auto part = scan.next()) {
    if (part->name == "metadata") cut_of_metadata(part->value, cutter);
    if (part->name == "object") cut_of_metadata(json_member(part->value, "metadata"), cutter);
    if (part->name != "items") continue;
    JsonScan items(part->value);
    while (const auto item = items.next())
      cut_of_metadata(json_member(item->value, "metadata"), cutter);
  }
}

}  // namespace

std::string without_last_applied(std::string json) {
  if (json.find(kLastApplied) == std::string::npos) return json;
  Cutter cutter(json);
  cut_of_object(json, cutter);
  return cutter.rest();
}

}  // namespace kiln::kube
