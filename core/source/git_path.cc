#include "core/source/git_path.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/layer/entry_path.h"

namespace kiln::source {
namespace {

struct Range {
  std::string_view first, last;
};

// Zero-width signs, directions and shapes, and the byte order mark, in UTF-8.
// Source: Apple TN1150, "Unicode Subtleties"; those that git's core.protectHFS knows.
constexpr Range kUnseen[] = {{"\xe2\x80\x8c", "\xe2\x80\x8f"},
                             {"\xe2\x80\xaa", "\xe2\x80\xae"},
                             {"\xe2\x81\xaa", "\xe2\x81\xaf"},
                             {"\xef\xbb\xbf", "\xef\xbb\xbf"}};

std::string without_unseen(std::string_view name) {
  constexpr std::size_t kBytes = 3;
  std::string seen;
  for (std::size_t at = 0; at < name.size();) {
    const auto sign = name.substr(at, kBytes);
    const bool unseen = std::any_of(std::begin(kUnseen), std::end(kUnseen), [&](const auto& range) {
      return sign >= range.first && sign <= range.last && sign.size() == kBytes;
    });
    if (!unseen) seen += name[at];
    at += unseen ? kBytes : 1;
  }
  return seen;
}

/// A name as NTFS has it: nothing from a colon on, and no dots and spaces at the end.
std::string_view on_ntfs(std::string_view name) {
  name = name.substr(0, name.find(':'));
  const auto last = name.find_last_not_of(". ");
  return name.substr(0, last == name.npos ? 0 : last + 1);
}

}  // namespace

bool is_git_folder(std::string_view name) {
  const auto seen = without_unseen(name);
  for (std::string_view rest = seen; !rest.empty();) {
    const auto part = rest.substr(0, rest.find('\\'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const auto bare = on_ntfs(part);
    if (equal_in_any_case(bare, ".git") || equal_in_any_case(bare, "git~1")) return true;
  }
  return false;
}

Result<void> check_git_path(const std::string& path) {
  const auto clean = layer::clean_relative_path(path);
  if (!clean) return clean.error();
  KILN_TRY(layer::refuse_whiteout_names(path));
  for (std::string_view rest = path; !rest.empty();) {
    const auto name = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (is_git_folder(name))
      return Error(Errc::kInvalid, "no file of a repository may be called or lie in .git");
  }
  return {};
}

}  // namespace kiln::source
