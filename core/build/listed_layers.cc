#include "core/build/listed_layers.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/build/layer_cut.h"
#include "core/build/placement.h"
#include "core/layer/entry_path.h"
#include "core/source/entry_list.h"
#include "core/source/tree_identity.h"

namespace kiln::build {
namespace {

using layer::EntryKind;
using layer::FileTree;
using source::EntrySketch;

/// What all trees of one list are put together from.
struct Ground {
  std::shared_ptr<const source::EntryList> list;
  std::string name;  ///< Of the content, for messages.
  std::string destination;
  std::string prefix;  ///< Of what is below it.
  Ownership ownership;
  layer::BaseTree above;  ///< What lies below, as far as it is above or at the destination.
  FileTree head;          ///< The directories of the destination.
};

/// Some of the list's entries in a row, and the directories above the first of them.
struct Part {
  std::vector<std::size_t> parents;
  std::size_t first = 0;
  std::size_t end = 0;
};

Result<std::shared_ptr<const FileTree>> tree_of(const Ground& ground, const Part& part) {
  auto tree = std::make_shared<FileTree>();
  Placer placer(ground.destination, ground.ownership, ground.above, *tree);
  const auto place = [&](std::size_t number) { return placer.place(ground.list->entry(number)); };
  for (const auto number : part.parents) KILN_TRY(place(number));
  for (auto number = part.first; number < part.end; ++number) KILN_TRY(place(number));
  return std::shared_ptr<const FileTree>(std::move(tree));
}

std::uint64_t tar_bytes_of_all(const Ground& ground) {
  auto total = ground.head.size() * LayerCutter::tar_bytes(0);
  for (std::size_t i = 0; i < ground.list->size(); ++i)
    total += LayerCutter::tar_bytes(ground.list->content_bytes(i));
  return total;
}

/// Below the destination, and of whom it will be.
void move_to_its_place(const Ground& ground, EntrySketch& sketch) {
  sketch.path.insert(0, ground.prefix);
  take_over(sketch, ground.ownership);
}

DraftFacts facts_of(const Ground& ground, const Part& part, const source::LateIdentities& late) {
  DraftFacts facts;
  source::TreeIdentity identity;
  EntrySketch sketch;
  for (const auto& [path, directory] : ground.head.entries()) identity.add(directory);
  const auto add = [&](std::size_t number) {
    ground.list->look_at(number, sketch);
    move_to_its_place(ground, sketch);
    identity.add(sketch);
  };
  for (const auto number : part.parents) add(number);
  for (auto number = part.first; number < part.end; ++number) {
    add(number);
    if (sketch.kind == EntryKind::kFile)
      facts.add_file(ground.list->content_bytes(number), sketch.identity, late);
  }
  facts.identity = identity.finish();
  return facts;
}

/// Goes through the list once, and cuts it into parts.
class Survey {
 public:
  explicit Survey(const Ground& ground) : ground_(ground), cutter_(tar_bytes_of_all(ground)) {}

  /// nullopt: it has something that takes the whole tree to tell.
  std::optional<std::vector<Part>> cut() {
    for (const auto& [path, directory] : ground_.head.entries())
      cutter_.layer_for(path, LayerCutter::tar_bytes(0));
    for (std::size_t i = 0; i < ground_.list->size(); ++i)
      if (!take(i)) return std::nullopt;
    parts_.back().end = ground_.list->size();
    return std::move(parts_);
  }

 private:
  bool take(std::size_t number) {
    ground_.list->look_at(number, sketch_);
    const auto depth =
        static_cast<std::size_t>(std::count(sketch_.path.begin(), sketch_.path.end(), '/'));
    if (sketch_.kind == EntryKind::kHardlink || depth > parents_.size()) return false;
    parents_.resize(depth);
    move_to_its_place(ground_, sketch_);
    const auto size = ground_.list->content_bytes(number);
    const auto layer = cutter_.layer_for(sketch_.path, LayerCutter::tar_bytes(size));
    if (layer == parts_.size()) begin_part(number);
    if (sketch_.kind == EntryKind::kDirectory) parents_.push_back(number);
    return true;
  }

  void begin_part(std::size_t first) {
    if (!parts_.empty()) parts_.back().end = first;
    parts_.push_back(Part{parents_, first});
  }

  const Ground& ground_;
  LayerCutter cutter_;
  EntrySketch sketch_;                ///< Of the entry that is looked at.
  std::vector<std::size_t> parents_;  ///< The directories above it.
  std::vector<Part> parts_;
};

/// What `below` says of `path` and of what is above it; nullopt where that is no directory.
std::optional<layer::BaseTree> only_above(std::string_view path, const layer::BaseTree& below) {
  layer::LayerIndex index;
  for (; !path.empty(); path = layer::parent_of(path)) {
    const auto* known = below.find(path);
    if (known == nullptr) continue;
    if (known->kind != EntryKind::kDirectory) return std::nullopt;
    index.entries.push_back(*known);
  }
  std::reverse(index.entries.begin(), index.entries.end());
  layer::BaseTree above;
  if (above.apply(index).has_error()) return std::nullopt;
  return above;
}

std::shared_ptr<const Ground> ground_of(const BuildRequest& request, std::size_t index,
                                        const source::Content& content,
                                        const layer::BaseTree& below) {
  const auto& wanted = request.content[index];
  auto destination = destination_in(below, wanted.path);
  if (!destination || !below.below(*destination).empty()) return nullptr;
  auto above = only_above(*destination, below);
  if (!above) return nullptr;
  auto ground = std::make_shared<Ground>();
  ground->list = content.list;
  ground->name = name_of_content(request, index);
  ground->destination = std::move(*destination);
  ground->prefix = ground->destination.empty() ? "" : ground->destination + "/";
  ground->ownership = wanted.ownership;
  ground->above = std::move(*above);
  Placer placer(ground->destination, ground->ownership, ground->above, ground->head);
  if (placer.place_destination().has_error()) return nullptr;
  return ground;
}

}  // namespace

std::optional<LayerDrafts> listed_layers(const BuildRequest& request, std::size_t index,
                                         const source::Content& content,
                                         const layer::BaseTree& below, const std::string& line) {
  if (!content.list) return std::nullopt;
  if (content.list->size() == 0) return LayerDrafts();
  const auto ground = ground_of(request, index, content, below);
  if (!ground) return std::nullopt;
  auto parts = Survey(*ground).cut();
  if (!parts) return std::nullopt;
  LayerDrafts drafts;
  for (auto& one : *parts) {
    const auto part = std::make_shared<const Part>(std::move(one));  // Shared by all copies.
    auto tree = [ground, part]() -> Result<std::shared_ptr<const layer::FileTree>> {
      auto made = tree_of(*ground, *part);
      if (!made) return std::move(made).error().while_doing(ground->name);
      return made;
    };
    auto draft =
        std::make_shared<LayerDraft>(std::move(tree), line + part_of(drafts.size(), parts->size()));
    draft->look = [ground, part](const source::LateIdentities& late) {
      return facts_of(*ground, *part, late);
    };
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace kiln::build
