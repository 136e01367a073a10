#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/error.h"

namespace kiln {

/// Bytes to be read once, front to back. Blocking: for the WorkPool or for bytes in memory.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills at most `buffer.size()` bytes; 0 means the end (for a buffer that is not empty).
  [[nodiscard]] virtual Result<std::size_t> read(std::span<char> buffer) = 0;
  /// Passes over at most `bytes` bytes without reading them and answers how many; 0 where that
  /// cannot be done: then they are to be read.
  virtual std::uint64_t skip(std::uint64_t bytes) {
    (void)bytes;
    return 0;
  }
};

/// Where bytes go, front to back. After an error the sink must not be used any more.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  [[nodiscard]] virtual Result<void> write(std::string_view bytes) = 0;
};

/// Reads from bytes that somebody else keeps alive.
class MemorySource final : public ByteSource {
 public:
  /// Lifetime: `bytes` must outlive the source, unless `keeper` owns them.
  explicit MemorySource(std::string_view bytes, std::shared_ptr<const void> keeper = nullptr)
      : bytes_(bytes), keeper_(std::move(keeper)) {}
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  std::string_view bytes_;
  std::shared_ptr<const void> keeper_;
};

/// Collects everything; kInvalid ("… is larger than N bytes") once more than `limit` bytes came.
class StringSink final : public ByteSink {
 public:
  explicit StringSink(std::uint64_t limit_bytes = UINT64_MAX) : limit_(limit_bytes) {}
  Result<void> write(std::string_view bytes) override;
  const std::string& str() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::uint64_t limit_;
  std::string bytes_;
};

/// Copies `source` to its end. Errors: of both.
[[nodiscard]] Result<void> copy_all(ByteSource& source, ByteSink& sink);

/// Reads `source` to its end into one string of at most `limit_bytes`.
[[nodiscard]] Result<std::string> read_all(ByteSource& source, std::uint64_t limit_bytes);

}  // namespace kiln
