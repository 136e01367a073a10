#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/layer/entry.h"
#include "core/layer/file_tree.h"

namespace kiln::testing {

/// The same numbers on every machine (SplitMix64), unlike the standard library's distributions.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

/// What files of images are like, to a compressor.
enum class Kind { kText, kBinary, kRandom };

/// `size_bytes` bytes of a kind, made while they are read. Nothing is kept.
class GeneratedSource final : public ByteSource {
 public:
  GeneratedSource(Kind kind, std::uint64_t seed, std::uint64_t size_bytes)
      : kind_(kind), numbers_(seed), left_(size_bytes) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    if (piece_.empty()) make_piece();
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>({buffer.size(), piece_.size() - used_, left_}));
    std::copy_n(piece_.data() + used_, count, buffer.data());
    used_ += count;
    left_ -= count;
    if (used_ == piece_.size()) {
      piece_.clear();
      used_ = 0;
    }
    return count;
  }

 private:
  static constexpr std::size_t kPieceBytes = 32 * 1024;

  void make_piece() {
    while (piece_.size() < kPieceBytes) {
      if (kind_ == Kind::kText) add_words();
      if (kind_ == Kind::kBinary) add_record();
      if (kind_ == Kind::kRandom) add_number(numbers_.next(), 8);
    }
  }

  void add_number(std::uint64_t number, int bytes) {
    for (int i = 0; i < bytes; ++i) piece_ += static_cast<char>(number >> (8 * i));
  }

  void add_words() {
    static constexpr std::array<std::string_view, 16> kWords = {
        "the ",     "of ",    "layer ", "\n",      "<div class=\"",
        "\">",      "const ", " = ",    "return ", "    ",
        "image",    "digest", "; ",     "0.",      "https://example.org/",
        "\",\n  \""};
    // Low numbers more often, as with real words.
    const auto number = numbers_.next();
    piece_ += kWords[std::min(number & 15, (number >> 4) & 15)];
    if ((number & 0x700) == 0) piece_ += std::to_string((number >> 16) & 0xffff);
  }

  /// Something like machine code and tables: small numbers, repeated ones, zeroes.
  void add_record() {
    const auto number = numbers_.next();
    add_number(0xe8488b00U | (number & 0x3f), 4);
    add_number(counter_ += number & 7, 4);
    add_number((number >> 8) & 0xff0f, 2);
    if ((number >> 24 & 3) == 0) piece_.append((number >> 32) & 63, '\0');
  }

  Kind kind_;
  Numbers numbers_;
  std::uint64_t left_;
  std::uint64_t counter_ = 0;
  std::string piece_;
  std::size_t used_ = 0;
};

/// A tree of about `size_bytes` bytes in files of all kinds, from empty ones to some of several
/// blocks, with names that ustar holds and names that need PAX. Equal seeds give equal trees.
inline layer::FileTree generated_tree(std::uint64_t seed, std::uint64_t size_bytes) {
  static constexpr std::array<std::uint64_t, 8> kSizes = {64,      4096,      4096,      40'000,
                                                          300'000, 1'100'000, 2'000'000, 5'000'000};
  Numbers numbers(seed);
  layer::FileTree tree;
  const auto add = [&](layer::Entry entry) { tree.add(std::move(entry)).value(); };
  std::uint64_t total = 0;
  for (int count = 0; total < size_bytes; ++count) {
    const std::string folder = "srv/" + std::to_string(count / 50);
    if (count % 50 == 0) add(layer::Entry(folder, layer::EntryKind::kDirectory));
    std::string name = folder + "/file" + std::to_string(count);
    if (count % 17 == 0) name += "-\xc3\xbc" + std::string(120, 'n');
    if (count % 23 == 0) {
      layer::Entry link(name + ".link", layer::EntryKind::kSymlink);
      link.link_target = name;
      add(std::move(link));
    }
    const auto size = std::min(size_bytes - total, numbers.below(kSizes[numbers.below(8)] + 1));
    const auto kind = static_cast<Kind>(numbers.below(3));
    const auto file_seed = numbers.next();
    layer::Entry file(name, layer::EntryKind::kFile);
    file.mode = count % 3 == 0 ? 0755 : 0644;
    file.content = layer::FileContent(size, [=]() -> Result<std::unique_ptr<ByteSource>> {
      return std::unique_ptr<ByteSource>(std::make_unique<GeneratedSource>(kind, file_seed, size));
    });
    add(std::move(file));
    total += size;
  }
  return tree;
}

}  // namespace kiln::testing
