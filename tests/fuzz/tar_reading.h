#pragma once
// How the fuzzers of tars read one, and what holds for all that TarReader lets pass.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/tar_reader.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/support/stepping_source.h"

namespace kiln::fuzzing {

inline constexpr layer::ReadLimits kTarLimits{1000, 1 << 20, 2000, 256 << 10};

struct ReadEntry {
  layer::TarEntry found;
  std::string text;
};

struct Reading {
  std::size_t source_step = 64 * 1024;
  std::size_t read_step = 4096;
  bool content = true;  ///< False: skip it.
};

/// A whole tar, or the error that it ends in.
inline Result<std::vector<ReadEntry>> read_tar(std::string_view bytes, const Reading& how = {}) {
  fakes::SteppingSource source(bytes, how.source_step);
  auto reader = layer::TarReader::open(source, kTarLimits);
  if (reader.has_error()) return std::move(reader).error();
  std::vector<ReadEntry> all;
  std::string buffer(how.read_step, '\0');
  for (;;) {
    auto entry = (*reader)->next();
    if (entry.has_error()) return std::move(entry).error();
    if (!*entry) return all;
    all.push_back({std::move(**entry), ""});
    while (how.content) {
      const auto count = (*reader)->read(buffer);
      if (count.has_error()) return count.error();
      if (*count == 0) break;
      all.back().text.append(buffer, 0, *count);
    }
  }
}

inline bool same_header(const layer::TarEntry& a, const layer::TarEntry& b) {
  const auto& x = a.entry;
  const auto& y = b.entry;
  return x.path == y.path && x.kind == y.kind && x.mode == y.mode && x.uid == y.uid &&
         x.gid == y.gid && x.link_target == y.link_target && x.mtime == y.mtime &&
         x.xattrs == y.xattrs && x.device == y.device && a.size_bytes == b.size_bytes &&
         a.opaque == b.opaque;
}

inline bool same_entries(const std::vector<ReadEntry>& a, const std::vector<ReadEntry>& b,
                         bool with_content = true) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const ReadEntry& x, const ReadEntry& y) {
                      return same_header(x.found, y.found) && (!with_content || x.text == y.text);
                    });
}

/// Relative, no part that is empty, "." or "..", nothing too long; "" is the root.
inline void require_clean_path(std::string_view path, std::size_t limit_bytes = 4095) {
  require(path.size() <= limit_bytes, "a path is not too long");
  require(path.find('\0') == path.npos, "a path has no NUL");
  require(!path.starts_with('/') && !path.ends_with('/'), "a path is relative");
  for (const auto part : parts_of(path, '/')) {
    require(!part.empty() && part != "." && part != "..", "a path is clean");
    require(part.size() <= 255, "a name is not too long");
  }
}

inline void require_sound(const ReadEntry& read) {
  using layer::EntryKind;
  const auto& entry = read.found.entry;
  require_clean_path(entry.path);
  require(
      entry.kind == EntryKind::kWhiteout || ("/" + entry.path).find("/.wh.") == std::string::npos,
      "a whiteout is one");
  require(entry.mode <= 07777, "a mode has permissions only");
  require(read.found.size_bytes == read.text.size(), "content is as long as was said");
  require(entry.kind == EntryKind::kFile || read.text.empty(), "only files have content");
  require(!read.found.opaque || entry.kind == EntryKind::kWhiteout, "opaque is a whiteout");
  require(entry.device.has_value() == (entry.kind == EntryKind::kSpecial), "devices are special");
  if (entry.kind == EntryKind::kHardlink) {
    require(!entry.link_target.empty(), "a hard link has a target");
    require_clean_path(entry.link_target);
  } else if (entry.kind == EntryKind::kSymlink) {
    require(!entry.link_target.empty() && entry.link_target.size() <= 4095,
            "a symlink has a target");
  } else {
    require(entry.link_target.empty(), "nothing else has a target");
  }
}

/// However it is read, it is the same.
inline void require_steady(std::string_view bytes, const Result<std::vector<ReadEntry>>& first) {
  constexpr std::size_t kFew = 64 * 1024;  // More would take long byte by byte.
  std::size_t sum = 0;
  if (first.has_value())
    for (const auto& entry : *first) sum += entry.text.size();
  Reading slowly;
  slowly.source_step = sum < kFew ? 13 : 997;
  slowly.read_step = sum < kFew ? 7 : 1009;
  const auto slow = read_tar(bytes, slowly);
  require(slow.has_value() == first.has_value(), "small steps change nothing");
  Reading skipping;
  skipping.content = false;
  const auto skipped = read_tar(bytes, skipping);
  require(skipped.has_value() == first.has_value(), "skipping changes nothing");
  if (first.has_error()) return;
  require(same_entries(*slow, *first), "small steps change no entry");
  require(same_entries(*skipped, *first, false), "skipping changes no header");
}

inline void require_sound(const Result<std::vector<ReadEntry>>& entries) {
  if (entries.has_error()) return require_short_line(entries.error().message, 400);
  require(entries->size() <= kTarLimits.max_entries, "entries have a limit");
  std::size_t sum = 0;
  for (const auto& entry : *entries) {
    require_sound(entry);
    sum += entry.text.size();
  }
  require(sum <= kTarLimits.max_uncompressed_bytes, "content has a limit");
}

}  // namespace kiln::fuzzing
