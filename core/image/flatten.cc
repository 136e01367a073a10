#include "core/image/flatten.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/layer/file_tree.h"
#include "core/layer/tar_writer.h"

namespace kiln::image {
namespace {

using layer::EntryKind;

/// The bytes of the file that a reader is at, to be read once.
class EntryBytes final : public ByteSource {
 public:
  explicit EntryBytes(layer::TarReader& reader) : reader_(reader) {}
  Result<std::size_t> read(std::span<char> buffer) override { return reader_.read(buffer); }

 private:
  layer::TarReader& reader_;
};

layer::Entry entry_of(const std::string& path, const MergedFile& file) {
  layer::Entry entry(path, file.kind);
  entry.mode = file.mode;
  entry.uid = file.uid;
  entry.gid = file.gid;
  entry.link_target = file.link_target;
  entry.mtime = file.mtime;
  entry.xattrs = file.xattrs;
  entry.device = file.device;
  return entry;
}

/// What of the layers is left, and where it goes.
struct Plan {
  struct Names {
    MergedTree::File file;
    std::string first;                 ///< Under which it stands in the tar.
    std::vector<std::string> links{};  ///< To it, by path.
  };

  std::vector<std::pair<std::string, MergedTree::File>> directories{};  ///< By path.
  std::vector<std::map<std::uint64_t, Names>> layers{};  ///< By the entry's number in the layer.
  std::uint64_t files = 0;
  std::uint64_t content_bytes = 0;
};

void add_name(Plan& plan, const std::string& path, const MergedTree::File& file) {
  if (plan.layers.size() <= file->layer) plan.layers.resize(file->layer + 1);
  auto& layer = plan.layers[file->layer];
  const auto found = layer.find(file->number);
  if (found == layer.end()) {
    layer.emplace(file->number, Plan::Names{file, path});
    if (file->kind == EntryKind::kFile) {
      ++plan.files;
      plan.content_bytes += file->size_bytes;
    }
    return;
  }
  auto& names = found->second;
  names.links.push_back(path);
  // The file keeps its own name where that is left.
  if (path == file->first_path) std::swap(names.first, names.links.back());
}

using Wants = std::function<bool(std::string_view path)>;

Plan plan_of(const MergedTree& tree, const Wants& wants) {
  Plan plan;
  tree.for_each([&](const std::string& path, const MergedTree::File& file) {
    if (!wants(path)) return;
    if (file->kind != EntryKind::kDirectory)
      add_name(plan, path, file);
    else if (!path.empty() || file->named)
      plan.directories.emplace_back(path, file);
  });
  std::sort(plan.directories.begin(), plan.directories.end(),
            [](const auto& a, const auto& b) { return layer::sorted_before(a.first, b.first); });
  for (auto& layer : plan.layers)
    for (auto& [number, names] : layer) std::sort(names.links.begin(), names.links.end());
  return plan;
}

/// A symlink stands once more instead: not all programs make hard links to one as others do.
layer::Entry link_to(const Plan::Names& names, const std::string& path) {
  auto link = entry_of(path, *names.file);
  if (link.kind == EntryKind::kSymlink) return link;
  link.kind = EntryKind::kHardlink;
  link.link_target = names.first;
  link.device.reset();
  return link;
}

Result<void> write_file(layer::TarWriter& writer, const Plan::Names& names,
                        layer::TarReader& bytes) {
  auto entry = entry_of(names.first, *names.file);
  if (entry.kind == EntryKind::kFile)
    entry.content = layer::FileContent(names.file->size_bytes, [&bytes] {
      return Result<std::unique_ptr<ByteSource>>(std::make_unique<EntryBytes>(bytes));
    });
  KILN_TRY(writer.add(entry));
  for (const auto& path : names.links) KILN_TRY(writer.add(link_to(names, path)));
  return {};
}

Result<void> write_layer(layer::TarWriter& writer, const layer::Blob& blob,
                         const std::map<std::uint64_t, Plan::Names>& wanted) {
  std::set<std::uint64_t> numbers;
  for (const auto& [number, names] : wanted) numbers.insert(number);
  return read_entries(
      blob, numbers,
      [&](std::uint64_t number, layer::TarEntry& entry, layer::TarReader& bytes) -> Result<void> {
        const auto& names = wanted.at(number);
        if (entry.entry.kind != names.file->kind || entry.size_bytes != names.file->size_bytes)
          return Error(Errc::kCorrupt, "it changed while it was read");
        return write_file(writer, names, bytes);
      });
}

Error in_layer(Error error, std::size_t index) {
  return std::move(error).while_doing("layer " + std::to_string(index + 1));
}

Result<Plan> read_plan(const std::vector<layer::Blob>& layers) {
  const auto tree = MergedTree::of(layers);
  if (tree.has_error()) return tree.error();
  return plan_of(*tree, [](std::string_view) { return true; });
}

Result<void> write_plan(const Plan& plan, const std::vector<layer::Blob>& layers, ByteSink& out) {
  // Only directories that no layer names have no time of their own.
  layer::TimestampPolicy times;
  times.kind = layer::Timestamps::kEpoch;
  layer::TarWriter writer(out, times);
  for (const auto& [path, file] : plan.directories) KILN_TRY(writer.add(entry_of(path, *file)));
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    auto written = write_layer(writer, layers[i], plan.layers[i]);
    if (written.has_error()) return in_layer(std::move(written).error(), i);
  }
  return writer.finish();
}

}  // namespace

Result<void> write_flat_tar(const std::vector<layer::Blob>& layers, ByteSink& out) {
  auto plan = read_plan(layers);
  if (plan.has_error()) return std::move(plan).error();
  return write_plan(*plan, layers, out);
}

Result<void> write_flat_tar(const MergedTree& tree, const std::vector<layer::Blob>& layers,
                            const Wants& wants, ByteSink& out) {
  return write_plan(plan_of(tree, wants), layers, out);
}

Result<layer::Layer> flatten(const std::vector<layer::Blob>& layers,
                             const layer::LayerOptions& options) {
  auto plan = read_plan(layers);
  if (plan.has_error()) return std::move(plan).error();
  const auto write = [&](ByteSink& tar) { return write_plan(*plan, layers, tar); };
  auto flat = layer::compress_layer(write, options);
  if (flat.has_error()) return flat;
  flat->files = plan->files;
  flat->content_bytes = plan->content_bytes;
  return flat;
}

}  // namespace kiln::image
