// A base layer as any registry may send it: it must not crash, hang or grow, and whatever is
// accepted must be clean, merge, resolve and survive its own serialisation.
#include <string>

#include "core/base/io.h"
#include "core/layer/entry_path.h"
#include "core/layer/layer_index.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/tar_reading.h"

namespace kiln::layer {
namespace {

using fuzzing::require;

void check_index(const LayerIndex& index) {
  require(index.entries.size() <= 2 * fuzzing::kTarLimits.max_entries, "entries have a limit");
  for (std::size_t i = 0; i < index.entries.size(); ++i) {
    const auto& entry = index.entries[i];
    fuzzing::require_clean_path(entry.path);
    require(i == 0 || index.entries[i - 1].path < entry.path, "each path once, in order");
    require(
        ("/" + entry.path).find("/.wh.") == std::string::npos || entry.kind == EntryKind::kWhiteout,
        "a whiteout is one");
  }
  const auto back = LayerIndex::from_bytes(index.to_bytes());
  require(back.has_value() && back->entries == index.entries, "the text gives the index back");
}

void check_tree(const LayerIndex& index) {
  const auto tree = *BaseTree::merge({index, index});
  constexpr std::size_t kMost = 4095 + 256;  // A name in a directory of the longest name.
  for (const auto* entry : tree.below("")) fuzzing::require_clean_path(entry->path, kMost);
  for (const auto& entry : index.entries) {
    tree.origin_of(entry.path);
    const auto resolved = tree.resolve(entry.path, true);
    if (resolved)
      fuzzing::require_clean_path(*resolved);
    else
      fuzzing::require_short_line(resolved.error().message, 600);
  }
}

}  // namespace
}  // namespace kiln::layer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  MemorySource source(fuzzing::text_of(data, size));
  const auto index = layer::index_layer(source, fuzzing::kTarLimits);
  if (index.has_error()) {
    fuzzing::require_short_line(index.error().message, 400);
    return 0;
  }
  layer::check_index(*index);
  layer::check_tree(*index);
  return 0;
}
