#include "core/registry/protocol/upload_plan.h"

#include <algorithm>
#include <array>

namespace kiln::registry::protocol {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
/// Just below the limits that are met: 100 MB (Cloudflare), 10 MB and more (ingresses), 4 MiB
/// (GHCR's chunks), 1 MiB (nginx unless told otherwise).
constexpr std::array<std::uint64_t, 4> kSizes = {64 * kMiB, 8 * kMiB, 4 * kMiB, 960 * 1024};

}  // namespace

std::uint64_t UploadPlan::next_chunk(std::uint64_t total, std::uint64_t held,
                                     std::uint64_t smallest) const {
  if (chunk_bytes_ == 0) return 0;
  const auto size = std::max(chunk_bytes_, smallest);
  if (held == 0 && total <= size && !always_chunks_) return 0;
  return std::min(size, total - held);
}

bool UploadPlan::too_large(std::uint64_t refused_bytes, std::uint64_t smallest) {
  whole_refused_ = whole_refused_ || chunk_bytes_ == 0;
  for (const auto size : kSizes) {
    if (size >= refused_bytes || std::max(size, smallest) >= refused_bytes) continue;
    // Another upload may have learnt the same, or more, in the meantime.
    if (chunk_bytes_ == 0 || size < chunk_bytes_) chunk_bytes_ = size;
    return true;
  }
  return false;
}

bool UploadPlan::no_whole() {
  whole_refused_ = true;
  if (always_chunks_) return false;
  always_chunks_ = true;
  if (chunk_bytes_ == 0) chunk_bytes_ = UINT64_MAX;  // One PATCH with everything.
  return true;
}

bool UploadPlan::no_chunks() {
  if (whole_refused_ || chunk_bytes_ == 0) return false;
  chunk_bytes_ = 0;
  return true;
}

}  // namespace kiln::registry::protocol
