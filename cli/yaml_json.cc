#include "cli/yaml_json.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "core/base/json.h"

namespace kiln::cli {
namespace {

constexpr std::size_t kMaxDepth = 64;

/// Thrown inside the handler only, to leave the parser; becomes a Result at once.
struct Refusal {
  YAML::Mark mark;
  std::string why;
};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<Json> as_integer(std::string_view text) {
  auto digits = text;
  bool negative = false;
  if (!digits.empty() && (digits.front() == '-' || digits.front() == '+')) {
    negative = digits.front() == '-';
    digits.remove_prefix(1);
  }
  int base = 10;
  if (digits.starts_with("0x"))
    base = 16;
  else if (digits.starts_with("0b"))
    base = 2;
  else if (digits.starts_with("0o"))
    base = 8;
  if (base != 10)
    digits.remove_prefix(2);
  else if (digits.size() > 1 && digits.front() == '0')
    base = 8;
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
    return std::nullopt;
  if (!negative) return Json(value);
  if (value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return Json(-static_cast<std::int64_t>(value));
}

std::optional<Json> as_float(std::string_view text) {
  const bool plausible = text.find_first_of("0123456789") != text.npos &&
                         text.find_first_not_of("0123456789+-.eE") == text.npos &&
                         text.find_first_of(".eE") != text.npos;
  if (!plausible) return std::nullopt;
  if (text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return Json(value);
}

Json plain_scalar(const std::string& text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return Json();
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"}))
    return true;
  if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"}))
    return false;
  if (auto integer = as_integer(text)) return *integer;
  if (auto number = as_float(text)) return *number;
  return text;
}

/// Builds one document's JSON from the parser's events.
class JsonHandler final : public YAML::EventHandler {
 public:
  Json take() { return std::move(root_); }
  bool empty() const { return empty_; }
  int line() const { return line_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { value(mark, Json()); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{mark, "anchors and aliases are not supported; write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_anchor(mark, anchor);
    if (tag == "!!binary" || tag == "tag:yaml.org,2002:binary")
      throw Refusal{mark, "the tag !!binary is not supported; use binaryData"};
    const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (expects_key()) {
      key(mark, text);
      return;
    }
    value(mark, quoted ? Json(text) : plain_scalar(text));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    open(mark, Json::array());
  }
  void OnSequenceEnd() override { stack_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    open(mark, Json::object());
  }
  void OnMapEnd() override { stack_.pop_back(); }

 private:
  struct Level {
    Json* node;
    std::optional<std::string> key{};
  };

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0)
      throw Refusal{mark, "anchors and aliases are not supported; write the value out"};
  }

  bool expects_key() const {
    return !stack_.empty() && stack_.back().node->is_object() && !stack_.back().key;
  }

  void key(const YAML::Mark& mark, const std::string& text) {
    if (stack_.back().node->contains(text))
      throw Refusal{mark, "the key \"" + text.substr(0, 64) + "\" stands twice"};
    stack_.back().key = text;
  }

  Json* value(const YAML::Mark& mark, Json json) {
    if (expects_key()) throw Refusal{mark, "keys must be plain text"};
    if (stack_.empty()) {
      empty_ = json.is_null();
      line_ = mark.line + 1;
      root_ = std::move(json);
      return &root_;
    }
    auto& top = stack_.back();
    if (top.node->is_array()) {
      top.node->push_back(std::move(json));
      return &top.node->back();
    }
    auto& place = (*top.node)[*top.key];
    top.key.reset();
    place = std::move(json);
    return &place;
  }

  void open(const YAML::Mark& mark, Json container) {
    if (stack_.size() >= kMaxDepth) throw Refusal{mark, "nested deeper than 64 levels"};
    auto* node = value(mark, std::move(container));
    stack_.push_back(Level{node});
  }

  Json root_;
  bool empty_ = true;
  int line_ = 1;
  std::vector<Level> stack_;
};

Error at(const YAML::Mark& mark, const std::string& why) {
  return {Errc::kInvalid, "line " + std::to_string(mark.line + 1) + ", column " +
                              std::to_string(mark.column + 1) + ": " + why};
}

}  // namespace

Result<std::vector<YamlDocument>> read_yaml(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<YamlDocument> documents;
  try {
    YAML::Parser parser(stream);
    for (;;) {
      JsonHandler handler;
      if (!parser.HandleNextDocument(handler)) return documents;
      if (!handler.empty()) documents.emplace_back(dump_json(handler.take()), handler.line());
    }
  } catch (const Refusal& refusal) {
    return at(refusal.mark, refusal.why);
  } catch (const YAML::Exception& e) {
    return at(e.mark, "not valid YAML: " + e.msg);
  }
}

}  // namespace kiln::cli
