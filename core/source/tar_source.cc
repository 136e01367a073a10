#include "core/source/tar_source.h"

#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/file.h"
#include "core/base/sha256.h"

namespace kiln::source {
namespace {

using layer::Entry;
using layer::EntryKind;

constexpr std::size_t kChunkBytes = 256 * 1024;

/// The bytes of all files, one after the other, in a nameless file.
class Spool {
 public:
  explicit Spool(UniqueFd file)
      : file_(std::make_shared<const UniqueFd>(std::move(file))),
        sink_(file_->get()),
        chunk_(kChunkBytes) {}

  /// Takes the bytes of the file that `reader` is at.
  Result<void> add(Entry& entry, layer::TarReader& reader) {
    const auto begin = end_;
    Sha256 hash;
    for (;;) {
      const auto count = reader.read(chunk_);
      if (count.has_error()) return count.error();
      if (*count == 0) break;
      const std::string_view bytes(chunk_.data(), *count);
      hash.update(bytes);
      KILN_TRY(sink_.write(bytes));
      end_ += *count;
    }
    entry.identity = "sha256:" + hash.finish_hex();
    entry.content = layer::FileContent(end_ - begin, [file = file_, begin, size = end_ - begin] {
      return Result<std::unique_ptr<ByteSource>>(
          std::make_unique<SharedFileSource>(file, begin, size));
    });
    return {};
  }

 private:
  std::shared_ptr<const UniqueFd> file_;  // Shared with every content that stands in it.
  FdSink sink_;
  std::vector<char> chunk_;
  std::uint64_t end_ = 0;
};

std::string_view noun(const Entry& entry) {
  if (!entry.device || entry.device->type == layer::Device::Type::kFifo) return "a FIFO";
  return "a device";
}

/// What unpacking the tar would leave: of entries with one name the last one. What an entry costs
/// does not grow with the names of its file: a hostile tar has a million of them, and takes each
/// away again.
class Unpacked {
 public:
  Result<void> add(Entry entry) {
    if (entry.path.empty()) return {};  // The root is where the content goes.
    if (entry.kind == EntryKind::kSpecial)
      return Error(Errc::kInvalid, "\"/" + entry.path + "\" is " + std::string(noun(entry)) +
                                       ", which content cannot have; leave it out of the tar");
    if (entry.kind == EntryKind::kHardlink) return add_link(entry.path, entry.link_target);
    forget(entry.path);
    auto path = entry.path;
    entries_.emplace(std::move(path), std::move(entry));
    return {};
  }

  void remove(std::string path, bool only_what_is_below) {
    (only_what_is_below ? emptied_ : removed_).insert(std::move(path));
  }

  Result<Content> take() {
    add_linked_files();
    Content content;
    for (auto& [path, entry] : entries_) KILN_TRY(content.tree.add(std::move(entry)));
    content.removed.assign(removed_.begin(), removed_.end());
    content.emptied.assign(emptied_.begin(), emptied_.end());
    content.identity = identity_of(content);
    content.revision = content.identity;
    return content;
  }

 private:
  struct Before {
    bool operator()(const std::string& a, const std::string& b) const {
      return layer::sorted_before(a, b);
    }
  };

  /// A file that has, or had, more than one name. What is left of them when it is empty is nothing.
  struct LinkedFile {
    Entry file;
    std::set<std::string, Before> names;
  };

  Result<void> add_link(const std::string& path, const std::string& target) {
    auto linked = linked_.find(target);
    if (linked == linked_.end()) {
      const auto found = entries_.find(target);
      if (found == entries_.end() || found->second.kind == EntryKind::kDirectory)
        return Error(Errc::kInvalid, "\"/" + path + "\" is a hard link to \"/" + target +
                                         "\", which is no file before it in the tar");
      if (path == target) return {};
      if (found->second.kind == EntryKind::kSymlink) {
        // Once more: not all programs make hard links to a symlink as others do.
        auto copy = found->second;
        copy.path = path;
        return add(std::move(copy));
      }
      linked = linked_.emplace(target, share(std::move(found->second))).first;
      entries_.erase(found);
    }
    const auto file = linked->second;
    if (file->names.contains(path)) return {};
    forget(path);
    file->names.insert(path);
    linked_.emplace(path, file);
    return {};
  }

  static std::shared_ptr<LinkedFile> share(Entry file) {
    auto path = file.path;
    return std::make_shared<LinkedFile>(LinkedFile{std::move(file), {std::move(path)}});
  }

  /// Another entry takes this name. A file that has others lives on under those.
  void forget(const std::string& path) {
    entries_.erase(path);
    const auto linked = linked_.extract(path);
    if (!linked.empty()) linked.mapped()->names.erase(path);
  }

  /// Of a file's names the first in order stands for the file, and the others are links to it, in
  /// whatever order the tar has them: equal files make equal layers.
  void add_linked_files() {
    for (const auto& [path, linked] : linked_) {
      const auto& first = *linked->names.begin();
      auto entry = path == first ? linked->file : Entry(path, EntryKind::kHardlink);
      entry.path = path;
      if (path != first) {
        entry.link_target = first;
        entry.mode = linked->file.mode;
        entry.uid = linked->file.uid;
        entry.gid = linked->file.gid;
        entry.mtime = linked->file.mtime;
      }
      entries_.emplace(path, std::move(entry));
    }
    linked_.clear();
  }

  std::map<std::string, Entry> entries_;
  std::map<std::string, std::shared_ptr<LinkedFile>> linked_;  ///< By each of its names.
  std::set<std::string> removed_;
  std::set<std::string> emptied_;
};

Result<Content> read_tar(ByteSource& source, const layer::ReadLimits& limits,
                         const std::string& spool_dir) {
  auto file = nameless_file(spool_dir);
  if (file.has_error()) return std::move(file).error();
  Spool spool(std::move(*file));
  Unpacked unpacked;
  auto reader = layer::TarReader::open(source, limits);
  if (reader.has_error()) return std::move(reader).error();
  for (;;) {
    auto next = (*reader)->next();
    if (next.has_error()) return std::move(next).error();
    if (!*next) return unpacked.take();
    auto& entry = (*next)->entry;
    if (entry.kind == EntryKind::kWhiteout) {
      unpacked.remove(std::move(entry.path), (*next)->opaque);
      continue;
    }
    if (entry.kind == EntryKind::kFile) KILN_TRY(spool.add(entry, **reader));
    KILN_TRY(unpacked.add(std::move(entry)));
  }
}

}  // namespace

TarSource::TarSource(std::string description, Open open, layer::ReadLimits limits,
                     std::string spool_dir, WorkPool& pool)
    : description_(std::move(description)),
      open_(std::move(open)),
      limits_(limits),
      spool_dir_(std::move(spool_dir)),
      pool_(pool) {}

Task<Result<Content>> TarSource::fetch() {
  auto work = [open = open_, limits = limits_, spool = spool_dir_]() -> Result<Content> {
    auto source = open();
    if (source.has_error()) return std::move(source).error();
    return read_tar(**source, limits, spool);
  };
  auto content = co_await pool_.run(std::move(work));
  if (content.has_error()) co_return std::move(content).error().while_doing(description_);
  co_return std::move(*content);
}

}  // namespace kiln::source
