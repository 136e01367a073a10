#include "core/layer/layer_facts.h"

#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/unpacked_source.h"

namespace kiln::layer {

Result<LayerFacts> unpack_layer(ByteSource& compressed, ByteSink* tar, const ReadLimits& limits) {
  constexpr std::size_t kChunkBytes = 256 * 1024;
  HashingSource whole(compressed);
  UnpackedSource unpacked(whole, limits);
  HashingSource hashed(unpacked);
  std::vector<char> chunk(kChunkBytes);
  for (;;) {
    auto count = hashed.read(chunk);
    if (count.has_error()) return std::move(count).error();
    if (*count == 0) break;
    if (tar != nullptr) KILN_TRY(tar->write(std::string_view(chunk.data(), *count)));
  }
  auto digest = whole.finish();
  if (digest.has_error()) return std::move(digest).error();
  auto diff_id = hashed.finish();
  if (diff_id.has_error()) return std::move(diff_id).error();
  return LayerFacts{std::move(*digest), whole.size_bytes(), std::move(*diff_id),
                    hashed.size_bytes()};
}

}  // namespace kiln::layer
