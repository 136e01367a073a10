#include "core/base/memory.h"

#include <malloc.h>

namespace kiln {
namespace {

// Blocks of compressed layers are smaller, and are not asked of the system one by one.
[[maybe_unused]] constexpr int kOwnMappingBytes = 2 << 20;
[[maybe_unused]] constexpr int kKeptAtTheEndBytes = 1 << 20;
[[maybe_unused]] constexpr std::size_t kMany = 10'000;

}  // namespace

void keep_memory_together() {
#ifdef __GLIBC__
  ::mallopt(M_ARENA_MAX, 1);
  // Said once, they stay: of themselves they grow with what is freed, to 64 MiB that are kept.
  ::mallopt(M_MMAP_THRESHOLD, kOwnMappingBytes);
  ::mallopt(M_TRIM_THRESHOLD, kKeptAtTheEndBytes);
#endif
}

void give_memory_back_after([[maybe_unused]] std::size_t things) {
#ifdef __GLIBC__
  if (things > kMany) ::malloc_trim(0);
#endif
}

}  // namespace kiln
