#include "core/build/layer_draft.h"

#include <algorithm>
#include <utility>

#include "core/source/source.h"

namespace kiln::build {
namespace {

constexpr std::size_t kFewEntries = 64;
constexpr std::uint64_t kFewBytes = 64 * 1024;  // 0.3 ms or so.

std::uint64_t packed_bytes(const layer::Entry& entry) {
  std::uint64_t bytes = entry.path.size() + entry.link_target.size() + entry.content.size_bytes();
  for (const auto& [name, value] : entry.xattrs) bytes += name.size() + value.size();
  return bytes;
}

bool is_little(const layer::FileTree& tree) {
  if (tree.size() > kFewEntries) return false;
  std::uint64_t bytes = 0;
  for (const auto& [path, entry] : tree.entries()) {
    bytes += packed_bytes(entry);
    const auto& content = entry.content;
    if (content.size_bytes() > 0 && content.in_memory() == nullptr) return false;
  }
  return bytes <= kFewBytes;
}

}  // namespace

void DraftFacts::add_file(std::uint64_t size_bytes, std::string_view of_file,
                          const source::LateIdentities& late) {
  ++files;
  content_bytes += size_bytes;
  if (source::is_of_bytes(of_file)) return;
  is_known = false;
  const auto gave = [&](const auto& giver) { return giver->gave(of_file); };
  will_be_known = will_be_known && std::any_of(late.begin(), late.end(), gave);
}

LayerDraft::LayerDraft(std::shared_ptr<const layer::FileTree> t, std::string line)
    : LayerDraft([t] { return Result<std::shared_ptr<const layer::FileTree>>(t); },
                 std::move(line)) {
  is_at_hand = is_little(*t);
}

std::string part_of(std::size_t number, std::size_t count) {
  if (count == 1) return "";
  return " (" + std::to_string(number + 1) + " of " + std::to_string(count) + ")";
}

Result<std::shared_ptr<const LayerDraft>> with_facts(std::shared_ptr<const LayerDraft> draft,
                                                     const source::LateIdentities& late) {
  if (draft->facts) return draft;
  auto known = std::make_shared<LayerDraft>(*draft);
  if (draft->look) {
    known->facts = draft->look(late);
    return std::shared_ptr<const LayerDraft>(std::move(known));
  }
  const auto tree = draft->tree();
  if (!tree) return tree.error();
  DraftFacts facts;
  facts.identity = source::identity_of(**tree);
  for (const auto& [path, entry] : (*tree)->entries())
    if (entry.kind == layer::EntryKind::kFile)
      facts.add_file(entry.content.size_bytes(), entry.identity, late);
  known->facts = std::move(facts);
  return std::shared_ptr<const LayerDraft>(std::move(known));
}

}  // namespace kiln::build
