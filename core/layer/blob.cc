#include "core/layer/layer.h"

namespace kiln::layer {

Blob Blob::of(std::string media_type, std::string bytes) {
  oci::Descriptor descriptor(std::move(media_type), oci::Digest::of(bytes), bytes.size());
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  return Blob(std::move(descriptor), [kept]() -> Result<std::unique_ptr<ByteSource>> {
    return std::unique_ptr<ByteSource>(std::make_unique<MemorySource>(*kept, kept));
  });
}

}  // namespace kiln::layer
