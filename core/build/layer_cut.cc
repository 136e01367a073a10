#include "core/build/layer_cut.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/sha256.h"
#include "core/layer/entry_path.h"

namespace kiln::build {
namespace {

using layer::Entry;
using layer::EntryKind;
using layer::FileTree;

constexpr std::uint64_t kBlock = 512;  // Of a tar.

std::uint64_t tar_bytes(const Entry& entry) {
  return LayerCutter::tar_bytes(entry.kind == EntryKind::kFile ? entry.content.size_bytes() : 0);
}

/// A number that the path alone decides, evenly from 0 to 2^32.
std::uint64_t lot_of(std::string_view path) {
  const auto sum = sha256(path);
  std::uint64_t lot = 0;
  for (std::size_t i = 0; i < 4; ++i) lot = lot << 8U | sum[i];
  return lot;
}

/// Adds the directories above `path`.
Result<void> add_parents(FileTree& part, const FileTree& directories, std::string_view path) {
  std::vector<const Entry*> missing;
  for (path = layer::parent_of(path); !path.empty(); path = layer::parent_of(path)) {
    if (part.find(path) != nullptr) break;
    if (const auto* directory = directories.find(path)) missing.push_back(directory);
  }
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) KILN_TRY(part.add(**at));
  return {};
}

/// Of a layer, but the last one, and one before a file that is larger than a layer.
std::uint64_t least_of(std::uint64_t target) {
  return target / 4 * 3;
}

/// An average layer is as large as the target; it is counted on that all are as small as they may
/// be.
std::uint64_t target_for(std::uint64_t total) {
  auto target = kLayerBytes;
  while (total / least_of(target) >= kMaxCutLayers) target *= 2;
  return target;
}

}  // namespace

std::uint64_t LayerCutter::tar_bytes(std::uint64_t content_bytes) {
  return kBlock + (content_bytes + kBlock - 1) / kBlock * kBlock;
}

LayerCutter::LayerCutter(std::uint64_t total)
    : cuts_(total >= 2 * kLayerBytes), target_(target_for(total)) {}

std::size_t LayerCutter::layer_for(std::string_view path, std::uint64_t tar_bytes) {
  const auto least = least_of(target_);
  // Behind the least, a cut every quarter of a layer on average: large entries are likelier to have
  // one, so that what is around does not matter.
  const bool drawn =
      cuts_ && in_layer_ >= least && lot_of(path) < (tar_bytes << 32U) / (target_ - least);
  if (cuts_ && in_layer_ > 0 && (drawn || in_layer_ + tar_bytes > 2 * target_)) {
    ++layer_;
    in_layer_ = 0;
  }
  in_layer_ += tar_bytes;
  return layer_;
}

Result<std::vector<std::shared_ptr<const FileTree>>> cut_into_layers(FileTree tree) {
  std::uint64_t total = 0;
  std::map<std::string, std::size_t> linked;  // Files that have hard links, and their layers.
  bool whole = false;
  for (const auto& [path, entry] : tree.entries()) {
    total += tar_bytes(entry);
    if (entry.kind != EntryKind::kHardlink) continue;
    const auto* file = tree.find(entry.link_target);
    whole = whole || file == nullptr || file->kind != EntryKind::kFile;  // make_layer says why not.
    linked.emplace(entry.link_target, 0);
  }
  if (whole || total < 2 * kLayerBytes)
    return std::vector<std::shared_ptr<const FileTree>>{
        std::make_shared<const FileTree>(std::move(tree))};

  LayerCutter cutter(total);
  std::vector<std::shared_ptr<FileTree>> parts;
  FileTree directories;  // Those above an entry come before it.
  std::vector<Entry> links;
  std::string parent;  // Of the last one, which has all directories above it in its part.
  while (!tree.empty()) {
    const auto& entry = tree.entries().begin()->second;
    if (entry.kind == EntryKind::kHardlink) {
      links.push_back(tree.take_first());
      continue;
    }
    const auto number = cutter.layer_for(entry.path, tar_bytes(entry));
    const bool is_new = number == parts.size();
    if (is_new) parts.push_back(std::make_shared<FileTree>());
    if (entry.kind == EntryKind::kDirectory) KILN_TRY(directories.add(entry));
    if (!linked.empty())
      if (const auto file = linked.find(entry.path); file != linked.end()) file->second = number;
    if (is_new || parent != layer::parent_of(entry.path)) {
      KILN_TRY(add_parents(*parts[number], directories, entry.path));
      parent = layer::parent_of(entry.path);
    }
    tree.move_first_to(*parts[number]);
  }
  for (auto& link : links) {
    auto& part = *parts[linked.at(link.link_target)];
    KILN_TRY(add_parents(part, directories, link.path));
    KILN_TRY(part.add(std::move(link)));
  }
  return std::vector<std::shared_ptr<const FileTree>>(parts.begin(), parts.end());
}

}  // namespace kiln::build
