#include "core/store/packing.h"

#include <array>
#include <span>
#include <string_view>

namespace kiln::store {

Result<oci::media_type::LayerCompression> packing_of(ByteSource& layer) {
  using oci::media_type::LayerCompression;
  std::array<char, 6> bytes{};
  std::size_t size = 0;
  while (size < bytes.size()) {
    auto count = layer.read(std::span(bytes).subspan(size));
    if (!count) return std::move(count).error();
    if (*count == 0) break;
    size += *count;
  }
  const std::string_view head(bytes.data(), size);
  if (head.starts_with("\x1f\x8b")) return LayerCompression::kGzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return LayerCompression::kZstd;
  if (head.starts_with("BZh") || head.starts_with(std::string_view("\xfd"
                                                                   "7zXZ\0",
                                                                   6)))
    return LayerCompression::kUnknown;
  return LayerCompression::kNone;
}

}  // namespace kiln::store
