#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace kiln::imagebuild {

/// Makes many texts that are like each other small, one by one: each is compressed against a text
/// that has what they have in common. 4 KB of an ImageBuild become less than 1 KB, in some 10 µs.
///
/// What is packed is for memory, not for disks: only packers of the same typical text read it.
/// Errors: exceptions, which mean a bug or an end of memory.
/// Threads: one. Memory: some 250 KiB of its own.
class TextPacker {
 public:
  /// Any `typical` text is right; the more like the texts it is, the smaller they become.
  explicit TextPacker(std::string_view typical);
  ~TextPacker();
  TextPacker(TextPacker&&) noexcept;
  TextPacker& operator=(TextPacker&&) noexcept;

  /// Bytes of any kind, never much longer than `text`.
  std::string pack(std::string_view text) const;
  /// What pack() was given.
  std::string unpack(std::string_view packed) const;

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace kiln::imagebuild
