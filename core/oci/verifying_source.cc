#include "core/oci/verifying_source.h"

#include <string>
#include <string_view>

namespace kiln::oci {

Result<std::size_t> VerifyingSource::read(std::span<char> buffer) {
  if (failed_) return *failed_;
  if (buffer.empty()) return std::size_t{0};
  auto count = read_checked(buffer);
  if (!count) failed_ = count.error();
  return count;
}

Result<std::size_t> VerifyingSource::read_checked(std::span<char> buffer) {
  auto count = source_->read(buffer);
  if (!count) return count;
  size_bytes_ += *count;
  const auto name = "blob " + expected_.digest.str();
  if (size_bytes_ > expected_.size_bytes || (*count == 0 && size_bytes_ < expected_.size_bytes))
    return Error(Errc::kCorrupt, name + " has " + (*count == 0 ? "only " : "at least ") +
                                     std::to_string(size_bytes_) + " bytes, its descriptor says " +
                                     std::to_string(expected_.size_bytes));
  if (checked_) return count;
  hash_.update(std::string_view(buffer.data(), *count));
  if (size_bytes_ < expected_.size_bytes) return count;
  checked_ = true;
  auto hex = hash_.finish_hex();
  if (hex != expected_.digest.hex())
    return Error(Errc::kCorrupt, name + " has other bytes: their digest is sha256:" + hex);
  return count;
}

}  // namespace kiln::oci
