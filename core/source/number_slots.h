#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kiln::source {

/// Finds things of a list by what they are: a hash table of their numbers in one piece of memory,
/// since for a folder of a million files a map takes longer than to sort them. Threads: one.
class NumberSlots {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  NumberSlots() : NumberSlots(0) {}
  /// For so many things at most.
  explicit NumberSlots(std::size_t most) : slots_(std::bit_ceil(2 * most + 1), kNone) {}

  /// The thing of this hash of which `is_it(number)` holds, or kNone.
  template <class IsIt>
  std::uint32_t find(std::uint64_t hash, IsIt is_it) const {
    return slots_[slot_of(hash, is_it)];
  }

  /// The same; where there is none, `number` is it from now on.
  template <class IsIt>
  std::uint32_t find_or_add(std::uint64_t hash, std::uint32_t number, IsIt is_it) {
    auto& slot = slots_[slot_of(hash, is_it)];
    if (slot == kNone) slot = number;
    return slot;
  }

 private:
  template <class IsIt>
  std::size_t slot_of(std::uint64_t hash, IsIt is_it) const {
    const auto mask = slots_.size() - 1;
    // The upper bits depend on all of them.
    auto slot = static_cast<std::size_t>(hash * 0x9e3779b97f4a7c15U >> 32U);
    while (slots_[slot & mask] != kNone && !is_it(slots_[slot & mask])) ++slot;
    return slot & mask;
  }

  std::vector<std::uint32_t> slots_;
};

}  // namespace kiln::source
