// A .kilnignore, and behind the first NUL the paths that are asked about, one a line.
#include <string>

#include "core/source/ignore_rules.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::source {
namespace {

using fuzzing::require;

/// By the definition: a directory above is left out, or the path itself is.
bool ignored_by_definition(const IgnoreRules& rules, std::string_view path, bool is_directory) {
  for (std::size_t i = 0; i < path.size(); ++i)
    if (path[i] == '/' && rules.ignores_itself(path.substr(0, i), true)) return true;
  return rules.ignores_itself(path, is_directory);
}

/// Of two files in one directory the second one wins, as if they were one.
IgnoreRules in_two_files(std::string_view text) {
  const auto middle = std::min(text.find('\n', text.size() / 2), text.size());
  auto rules = IgnoreRules::parse(text.substr(0, middle));
  // An empty line first, or else a byte order mark would stand at the beginning.
  auto deeper =
      IgnoreRules::parse("\n" + std::string(text.substr(std::min(middle + 1, text.size()))));
  require(rules && deeper, "a part of rules is rules");
  rules->add("", *deeper);
  return *rules;
}

void check(const IgnoreRules& rules, const IgnoreRules& in_two, const IgnoreRules& deeper,
           std::string_view path) {
  for (const bool is_directory : {false, true}) {
    const bool ignored = rules.ignores(path, is_directory);
    require(ignored == ignored_by_definition(rules, path, is_directory), "parents count");
    require(ignored == in_two.ignores(path, is_directory), "files add up");
    const auto below = "a/b/" + std::string(path);
    require(ignored == deeper.ignores(below, is_directory), "a directory's rules are its own");
  }
  require(!deeper.ignores("b/" + std::string(path), false), "and nobody else's");
}

}  // namespace
}  // namespace kiln::source

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  auto paths = fuzzing::text_of(data, size);
  const auto text = fuzzing::take_part(paths, '\0');
  const auto rules = source::IgnoreRules::parse(text);
  if (!rules) {
    fuzzing::require_short_line(rules.error().message, 100);
    return 0;
  }
  const auto in_two = source::in_two_files(text);
  source::IgnoreRules deeper;
  deeper.add("a/b", *rules);
  for (const auto path : fuzzing::parts_of(paths, '\n'))
    if (!path.empty() && !path.starts_with('/') && !path.ends_with('/'))
      source::check(*rules, in_two, deeper, path);
  return 0;
}
