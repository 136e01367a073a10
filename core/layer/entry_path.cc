#include "core/layer/entry_path.h"

#include <algorithm>
#include <cstddef>

#include "core/base/redact.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kShownBytes = 160;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

Error bad_path(std::string_view path, std::string_view why) {
  return {Errc::kInvalid, "path " + quoted_name(path, kShownBytes) + " " + std::string(why)};
}

/// "usr/share" checked part by part. `whole` is what the user wrote.
Result<void> check_parts(std::string_view clean, std::string_view whole) {
  while (!clean.empty()) {
    const auto end = std::min(clean.find('/'), clean.size());
    const auto part = clean.substr(0, end);
    if (part.empty()) return bad_path(whole, "has two slashes in a row; write one");
    if (part == ".") return bad_path(whole, "has a \".\" part; leave it out");
    if (part == "..") return bad_path(whole, "has a \"..\" part; write the path it leads to");
    if (part.size() > kMaxPartBytes)
      return bad_path(whole, "has a part of more than 255 bytes; shorten it");
    clean.remove_prefix(std::min(end + 1, clean.size()));
  }
  return {};
}

/// Why a path without a slash at its start is refused. What to write is named where it would do.
Error not_absolute(std::string_view path) {
  auto clean = path;
  if (clean.ends_with('/')) clean.remove_suffix(1);
  if (clean.empty() || clean.ends_with('/') || !check_parts(clean, path))
    return bad_path(path,
                    "must be absolute; write it from \"/\" on, without \".\", \"..\" and \"//\"");
  return bad_path(path,
                  "must be absolute; write " + quoted_name("/" + std::string(path), kShownBytes));
}

Result<void> check_characters(std::string_view path) {
  if (path.size() > kMaxPathBytes) return bad_path(path, "is longer than 4095 bytes; shorten it");
  if (std::any_of(path.begin(), path.end(), is_control))
    return bad_path(path, "has a control character (shown as \"?\"); rename the file");
  return {};
}

}  // namespace

Result<std::string> clean_absolute_path(std::string_view path) {
  KILN_TRY(check_characters(path));
  if (path.empty()) return bad_path(path, "is empty; write \"/\" for the root");
  if (!path.starts_with('/')) return not_absolute(path);
  auto clean = path.substr(1);
  if (clean.ends_with('/')) {
    clean.remove_suffix(1);
    if (clean.empty()) return bad_path(path, "has two slashes in a row; write one");
  }
  if (clean.ends_with('/')) return bad_path(path, "has two slashes in a row; write one");
  KILN_TRY(check_parts(clean, path));
  return std::string(clean);
}

Result<std::string> clean_relative_path(std::string_view path) {
  KILN_TRY(check_characters(path));
  if (path.empty()) return bad_path(path, "is empty; write a relative one, like \"css/site.css\"");
  if (path.starts_with('/'))
    return bad_path(path, "must be relative; write it without the leading \"/\"");
  auto clean = path;
  if (clean.ends_with('/')) clean.remove_suffix(1);
  if (clean.ends_with('/')) return bad_path(path, "has two slashes in a row; write one");
  KILN_TRY(check_parts(clean, path));
  return std::string(clean);
}

Result<void> refuse_whiteout_names(std::string_view path) {
  for (auto rest = path;;) {
    const auto end = std::min(rest.find('/'), rest.size());
    if (rest.substr(0, end).starts_with(".wh."))
      return bad_path(path,
                      "has a name that begins with \".wh.\", which means \"delete\" in an image "
                      "layer; rename the file, or use `remove` to delete one");
    if (end == rest.size()) return {};
    rest.remove_prefix(end + 1);
  }
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of_path(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  if (name.empty()) return std::string(directory);
  return std::string(directory) + "/" + std::string(name);
}

}  // namespace kiln::layer
