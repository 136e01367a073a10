#include "core/base/yaml_check.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <string>

namespace kiln {
namespace {

constexpr int kMaxDepth = 64;

/// Thrown inside the handler only, to leave the parser; becomes a Result at once.
struct Refusal {
  YAML::Mark mark;
  const char* why;
};

class CostHandler final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, 1); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string&) override {
    refuse(mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor);
  }
  void OnMapEnd() override { --depth_; }

 private:
  static void refuse(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0)
      throw Refusal{mark, "anchors and aliases are not supported; write the value out"};
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse(mark, anchor);
    if (++depth_ > kMaxDepth) throw Refusal{mark, "nested deeper than 64 levels"};
  }

  int depth_ = 0;
};

}  // namespace

Result<void> check_yaml(std::string_view text) {
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    CostHandler handler;
    while (parser.HandleNextDocument(handler)) continue;
  } catch (const Refusal& refusal) {
    return Error(Errc::kInvalid,
                 "line " + std::to_string(refusal.mark.line + 1) + ": " + refusal.why);
  } catch (const YAML::Exception&) {
    return {};
  }
  return {};
}

}  // namespace kiln
