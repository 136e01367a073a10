#include "core/layer/unpacked_source.h"

#include <algorithm>
#include <string_view>

namespace kiln::layer {
namespace {

constexpr std::uint64_t kRatioFreeBytes = 16 << 20;  // The ratio counts from here on.

}  // namespace

Result<std::size_t> HashingSource::read(std::span<char> buffer) {
  auto count = next_.read(buffer);
  if (count.has_error()) return count;
  hash_.update(std::string_view(buffer.data(), *count));
  size_bytes_ += *count;
  return count;
}

Result<std::size_t> UnpackedSource::read(std::span<char> buffer) {
  const PlainLocale locale;
  if (!opened_) KILN_TRY(open());
  const auto count = archive_read_data(input_.get(), buffer.data(), buffer.size());
  if (count < 0) {
    KILN_TRY(input_.check(static_cast<int>(count)));
    return Error(Errc::kCorrupt, "this cannot be unpacked");
  }
  if (count == 0) KILN_TRY(input_.drain(limits_.max_uncompressed_bytes));
  KILN_TRY(check_limits());
  return static_cast<std::size_t>(count);
}

Result<void> UnpackedSource::open() {
  opened_ = true;
  KILN_TRY(input_.open(&archive_read_support_format_raw));
  archive_entry* whole = nullptr;
  return input_.check(archive_read_next_header(input_.get(), &whole));
}

Result<void> UnpackedSource::check_limits() const {
  const auto out = input_.bytes_out();
  if (out > limits_.max_uncompressed_bytes)
    return Error(Errc::kInvalid, "it unpacks to more than the allowed " +
                                     std::to_string(limits_.max_uncompressed_bytes) + " bytes");
  if (out > kRatioFreeBytes &&
      out / std::max<std::uint64_t>(input_.bytes_in(), 1) > limits_.max_ratio)
    return Error(Errc::kInvalid, "it unpacks to more than " + std::to_string(limits_.max_ratio) +
                                     " times its size");
  return {};
}

}  // namespace kiln::layer
