#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace kiln::source {

/// A pack as no git would write it, object by object. Source: gitformat-pack(5).
class PackWriter {
 public:
  /// A whole blob.
  void add_blob(std::string_view bytes);
  /// A blob that is `times` times the blob `base` (its id, 40 digits) of `base_bytes` bytes, one
  /// after the other: a few bytes for each time.
  void add_copies(const std::string& base, std::size_t base_bytes, std::size_t times);
  std::string finish() const;

 private:
  void add(int type, std::size_t size, std::string_view before, std::string_view bytes);

  std::string objects_;
  std::size_t count_ = 0;
};

}  // namespace kiln::source
