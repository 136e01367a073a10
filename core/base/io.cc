#include "core/base/io.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace kiln {

Result<std::size_t> MemorySource::read(std::span<char> buffer) {
  const auto count = std::min(buffer.size(), bytes_.size());
  if (count > 0) std::memcpy(buffer.data(), bytes_.data(), count);
  bytes_.remove_prefix(count);
  return count;
}

Result<void> StringSink::write(std::string_view bytes) {
  if (bytes.size() > limit_ - bytes_.size())
    return Error(Errc::kInvalid, "more than the allowed " + std::to_string(limit_) + " bytes");
  bytes_.append(bytes);
  return {};
}

Result<void> copy_all(ByteSource& source, ByteSink& sink) {
  std::array<char, 65536> buffer;
  for (;;) {
    auto count = source.read(buffer);
    if (count.has_error()) return std::move(count).error();
    if (*count == 0) return {};
    KILN_TRY(sink.write(std::string_view(buffer.data(), *count)));
  }
}

Result<std::string> read_all(ByteSource& source, std::uint64_t limit_bytes) {
  StringSink sink(limit_bytes);
  KILN_TRY(copy_all(source, sink));
  return sink.take();
}

}  // namespace kiln
