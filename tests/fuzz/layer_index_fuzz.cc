// A base layer as any registry may send it: it must not crash, hang or grow, and whatever is
// accepted must be clean, merge, resolve and survive its own serialisation.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/io.h"
#include "core/layer/entry_path.h"
#include "core/layer/layer_index.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  using namespace kiln::layer;
  MemorySource source(std::string_view(reinterpret_cast<const char*>(data), size));
  ReadLimits limits;
  limits.max_entries = 1000;
  limits.max_uncompressed_bytes = 8 << 20;
  const auto index = index_layer(source, limits);
  if (index.has_error()) return 0;

  for (const auto& entry : index->entries) {
    require(!entry.path.starts_with('/') && !entry.path.ends_with('/'));
    require(("/" + entry.path + "/").find("/../") == std::string::npos);
    require(("/" + entry.path).find("/.wh.") == std::string::npos ||
            entry.kind == EntryKind::kWhiteout);
  }
  const auto back = LayerIndex::from_bytes(index->to_bytes());
  require(back.has_value() && back->entries == index->entries);

  const auto tree = BaseTree::merge({*index, *index});
  for (const auto& entry : index->entries) {
    const auto resolved = tree.resolve(entry.path, true);
    if (resolved.has_value()) require(("/" + *resolved + "/").find("/../") == std::string::npos);
  }
  return 0;
}
