#include "core/source/tar_source.h"

#include <algorithm>
#include <map>
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

/// What unpacking the tar would leave: of entries with one name the last one.
class Unpacked {
 public:
  Result<void> add(Entry entry) {
    if (entry.path.empty()) return {};  // The root is where the content goes.
    if (entry.kind == EntryKind::kSpecial)
      return Error(Errc::kInvalid, "\"/" + entry.path + "\" is " + std::string(noun(entry)) +
                                       ", which content cannot have; leave it out of the tar");
    if (entry.kind == EntryKind::kHardlink) return add_link(std::move(entry));
    displace(entry.path);
    auto path = entry.path;
    entries_.insert_or_assign(std::move(path), std::move(entry));
    return {};
  }

  void remove(std::string path, bool only_what_is_below) {
    (only_what_is_below ? emptied_ : removed_).insert(std::move(path));
  }

  Result<Content> take() {
    name_files_by_their_first_names();
    Content content;
    for (auto& [path, entry] : entries_) KILN_TRY(content.tree.add(std::move(entry)));
    content.removed.assign(removed_.begin(), removed_.end());
    content.emptied.assign(emptied_.begin(), emptied_.end());
    content.identity = identity_of(content);
    content.revision = content.identity;
    return content;
  }

 private:
  Result<void> add_link(Entry link) {
    auto found = entries_.find(link.link_target);
    if (found != entries_.end() && found->second.kind == EntryKind::kHardlink)
      found = entries_.find(found->second.link_target);
    if (found == entries_.end() || found->second.kind == EntryKind::kDirectory)
      return Error(Errc::kInvalid, "\"/" + link.path + "\" is a hard link to \"/" +
                                       link.link_target +
                                       "\", which is no file before it in the "
                                       "tar");
    if (found->first == link.path) return {};
    if (found->second.kind == EntryKind::kSymlink) {
      // Once more: not all programs make hard links to a symlink as others do.
      auto copy = found->second;
      copy.path = std::move(link.path);
      return add(std::move(copy));
    }
    link.link_target = found->first;
    displace(link.path);
    links_[link.link_target].push_back(link.path);
    auto path = link.path;
    entries_.insert_or_assign(std::move(path), std::move(link));
    return {};
  }

  /// Another entry takes this name. The file that had it lives on under its other names.
  void displace(const std::string& path) {
    const auto found = entries_.find(path);
    if (found == entries_.end()) return;
    auto old = std::move(found->second);
    entries_.erase(found);
    if (old.kind == EntryKind::kHardlink) std::erase(links_[old.link_target], path);
    const auto names = links_.extract(path);
    if (names.empty() || names.mapped().empty()) return;
    const auto& first = names.mapped().front();
    for (const auto& name : names.mapped()) entries_.at(name).link_target = first;
    links_[first].assign(names.mapped().begin() + 1, names.mapped().end());
    old.path = first;
    entries_.insert_or_assign(first, std::move(old));
  }

  /// Of a file's names the first in order stands for the file, and the others are links to it, in
  /// whatever order the tar has them: equal files make equal layers.
  void name_files_by_their_first_names() {
    std::vector<std::string> files;
    for (const auto& [path, names] : links_) files.push_back(path);
    for (const auto& path : files) {
      auto& names = links_.at(path);
      std::sort(names.begin(), names.end(), layer::sorted_before);
      if (names.empty() || !layer::sorted_before(names.front(), path)) continue;
      auto link = entries_.at(names.front());
      link.link_target = std::exchange(link.path, path);
      displace(path);
      entries_.insert_or_assign(path, std::move(link));
    }
  }

  std::map<std::string, Entry> entries_;
  std::map<std::string, std::vector<std::string>> links_;  ///< Further names of a file, by its own.
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
