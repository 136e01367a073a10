#include "core/layer/path_walk.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "core/base/redact.h"
#include "core/layer/entry_path.h"

namespace kiln::layer {
namespace {

constexpr int kMaxLinks = 40;                // As Linux: path_resolution(7).
constexpr std::size_t kMaxLinkParts = 1024;  // Of all links together: a layer has many entries.

Error cannot_use(std::string_view path, std::string_view why) {
  return {Errc::kInvalid, quoted_name("/" + std::string(path)) + " " + std::string(why)};
}

/// Puts the parts of `path` in front of what is still to be walked; answers how many.
std::size_t push_parts(std::deque<std::string>& todo, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) parts.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  todo.insert(todo.begin(), parts.begin(), parts.end());
  return parts.size();
}

}  // namespace

Result<std::string> walk_path(std::string_view path, bool follow_last, const LookUp& look_up) {
  std::deque<std::string> todo;
  (void)push_parts(todo, path);
  std::string done;
  int links = 0;
  std::size_t link_parts = 0;
  while (!todo.empty()) {
    const auto part = std::move(todo.front());
    todo.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      done = parent_of(done);
      continue;
    }
    auto next = join_path(done, part);
    const auto step = look_up(next);
    const bool last = todo.empty();
    if (step && step->kind == EntryKind::kSymlink && (!last || follow_last)) {
      if (step->link_target.starts_with('/')) done.clear();
      link_parts += push_parts(todo, step->link_target);
      if (++links > kMaxLinks || link_parts > kMaxLinkParts)
        return cannot_use(path, "leads through more than 40 symlinks of the base image");
      continue;
    }
    if (step && step->kind != EntryKind::kDirectory && !last)
      return cannot_use(path, "cannot be used: " + quoted_name("/" + next) +
                                  " is not a directory in the base image");
    // Only links lead there: of what is asked for neither is too long.
    if (part.size() > kMaxPartBytes || next.size() > kMaxPathBytes)
      return cannot_use(path,
                        "leads through symlinks of the base image to a name that is too long");
    done = std::move(next);
  }
  return done;
}

}  // namespace kiln::layer
