#include "core/layer/entry.h"

namespace kiln::layer {

FileContent::FileContent(std::shared_ptr<const std::string> bytes)
    : size_(bytes ? bytes->size() : 0), bytes_(std::move(bytes)) {}

Result<std::unique_ptr<ByteSource>> FileContent::open() const {
  if (bytes_) return std::unique_ptr<ByteSource>(std::make_unique<MemorySource>(*bytes_, bytes_));
  if (open_) return (*open_)();
  if (size_ == 0) return std::unique_ptr<ByteSource>(std::make_unique<MemorySource>(""));
  return Error(Errc::kInternal, "a file of " + std::to_string(size_) + " bytes has no content");
}

}  // namespace kiln::layer
