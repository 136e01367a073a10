// The cached text of an index, with a right checksum so that the records are reached.
#include <string>

#include "core/base/sha256.h"
#include "core/layer/layer_index.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  using fuzzing::require;
  const std::string body(fuzzing::text_of(data, size));
  const auto index =
      layer::LayerIndex::from_bytes("kiln-layer-index/2 " + sha256_hex(body) + "\n" + body);
  if (index.has_error()) {
    fuzzing::require_short_line(index.error().message, 200);
    return 0;
  }
  const auto bytes = index->to_bytes();
  const auto back = layer::LayerIndex::from_bytes(bytes);
  require(back.has_value() && back->entries == index->entries, "the text gives the index back");
  require(back->to_bytes() == bytes, "there is one text for one index");
  for (const auto& entry : index->entries)
    require(entry.path.size() <= 4095, "a path is not too long");
  return 0;
}
