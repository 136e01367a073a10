#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/layer/entry.h"

namespace kiln::layer {

/// What a layer is made of: entries by path, at most one each, parents before children.
///
/// Adding is where conflicts are found. "File" stands for file, symlink and hard link:
///
///   there already │ new directory          new file        new whiteout
///   ──────────────┼────────────────────────────────────────────────────
///   directory     │ later one wins         error           error
///   file          │ error                  later one wins  error
///   whiteout      │ error                  error           later one wins
///
/// Nothing can be below a file or whiteout, so neither can take a path that has something below it.
/// Whoever removes a path of the base and puts content there needs two layers: runtimes do not
/// agree on the order of a whiteout and an entry of the same name.
class FileTree {
 public:
  /// Errors: kInvalid, naming both paths of a conflict; also for a path that is not clean (see
  /// clean_relative_path), a name that begins with ".wh.", a link without target, kSpecial.
  [[nodiscard]] Result<void> add(Entry entry);

  /// Takes the first entry out, whatever is below it. Precondition: there is one.
  Entry take_first();

  /// Takes the first entry to the end of `other`, whatever is below it. Precondition: there is one,
  /// and it comes behind all that `other` has.
  void move_first_to(FileTree& other);

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const Entry* find(std::string_view path) const;
  /// By path, see sorted_before. The tar differs in two points: see make_layer.
  const std::map<std::string, Entry, bool (*)(const std::string&, const std::string&)>& entries()
      const {
    return entries_;
  }

  /// Bytes of all regular files.
  std::uint64_t content_bytes() const;

  FileTree();

 private:
  std::map<std::string, Entry, bool (*)(const std::string&, const std::string&)> entries_;
};

/// The one order of entries: by path, compared part by part (bytes), so that a directory's children
/// follow it at once ("a", "a/b", "a.txt").
bool sorted_before(const std::string& a, const std::string& b);

}  // namespace kiln::layer
