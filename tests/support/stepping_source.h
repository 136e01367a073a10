#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

#include "core/base/io.h"

namespace kiln::fakes {

/// Gives at most `step` bytes at a time. Lifetime: the bytes outlive it.
class SteppingSource final : public ByteSource {
 public:
  SteppingSource(std::string_view bytes, std::size_t step) : source_(bytes), step_(step) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    return source_.read(buffer.first(std::min(step_, buffer.size())));
  }

 private:
  MemorySource source_;
  std::size_t step_;
};

}  // namespace kiln::fakes
