// The cached text of an index, with a right checksum so that the records are reached.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/base/sha256.h"
#include "core/layer/layer_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using kiln::layer::LayerIndex;
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto index =
      LayerIndex::from_bytes("kiln-layer-index/2 " + kiln::sha256_hex(body) + "\n" + body);
  if (index.has_error()) return 0;
  const auto back = LayerIndex::from_bytes(index->to_bytes());
  if (back.has_error() || back->entries != index->entries) std::abort();
  return 0;
}
