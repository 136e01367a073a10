#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

#include "core/base/io.h"

namespace kiln {

/// Hands on what is written to it to another sink, on a thread of its own: what the other does with
/// the bytes happens beside what the writer does to get them. It is at most kMaxBehindBytes behind.
///
/// Errors: those of `out`, from a later write() or from finish(); an exception of `out` comes out
/// there likewise. Threads: one writer. Lifetime: `out` outlives it, and is not used by others
/// before finish() has answered; without finish() what is left is dropped.
class BackgroundSink final : public ByteSink {
 public:
  static constexpr std::size_t kPieceBytes = 256 * 1024;
  static constexpr std::size_t kMaxBehindBytes = 8 * kPieceBytes;

  explicit BackgroundSink(ByteSink& out);
  ~BackgroundSink() override;
  BackgroundSink(const BackgroundSink&) = delete;
  BackgroundSink& operator=(const BackgroundSink&) = delete;

  Result<void> write(std::string_view bytes) override;
  /// Waits until `out` has everything. Nothing may be written after it.
  [[nodiscard]] Result<void> finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln
