#include "core/layer/layer_index.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace kiln::layer {
namespace {

/// Takes entries one by one, in the tar's order; one object per layer.
class Indexer {
 public:
  void take(TarEntry found) {
    auto& entry = found.entry;
    if (entry.kind == EntryKind::kWhiteout) {
      (found.opaque ? opaque_ : whiteouts_).push_back(std::move(entry.path));
      return;
    }
    IndexedEntry indexed;
    indexed.path = entry.path;
    indexed.kind = entry.kind;
    indexed.mode = entry.mode;
    indexed.uid = entry.uid;
    indexed.gid = entry.gid;
    indexed.link_target = std::move(entry.link_target);
    indexed.size_bytes = found.size_bytes;
    indexed.mtime = entry.mtime;
    entries_.insert_or_assign(std::move(entry.path), std::move(indexed));
  }

  LayerIndex result() {
    // A path of the layer itself says more than a whiteout of the same name: it replaces what is
    // below. Only a directory needs both: it then hides what lower layers have in it.
    for (const auto& path : whiteouts_) {
      const auto found = entries_.find(path);
      if (found != entries_.end())
        found->second.opaque = found->second.kind == EntryKind::kDirectory;
      else
        add_mark(path, false);
    }
    for (const auto& path : opaque_) {
      const auto found = entries_.find(path);
      if (found != entries_.end() && found->second.kind == EntryKind::kDirectory)
        found->second.opaque = true;
      else if (found == entries_.end())
        add_mark(path, true);
    }
    LayerIndex index;
    index.entries.reserve(entries_.size());
    for (auto& [path, entry] : entries_) index.entries.push_back(std::move(entry));
    return index;
  }

 private:
  void add_mark(const std::string& path, bool opaque) {
    IndexedEntry mark;
    mark.path = path;
    mark.kind = EntryKind::kWhiteout;
    mark.opaque = opaque;
    entries_.emplace(path, std::move(mark));
  }

  std::map<std::string, IndexedEntry> entries_;
  std::vector<std::string> whiteouts_;
  std::vector<std::string> opaque_;
};

}  // namespace

Result<LayerIndex> index_layer(ByteSource& compressed, const ReadLimits& limits) {
  auto reader = TarReader::open(compressed, limits);
  if (reader.has_error()) return std::move(reader).error();
  Indexer indexer;
  for (;;) {
    auto entry = (*reader)->next();
    if (entry.has_error()) return std::move(entry).error();
    if (!*entry) return indexer.result();
    indexer.take(std::move(**entry));
  }
}

}  // namespace kiln::layer
