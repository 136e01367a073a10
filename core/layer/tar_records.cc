#include "core/layer/tar_records.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/redact.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kSizeAt = 124;
constexpr std::size_t kSizeBytes = 12;
constexpr std::size_t kTypeAt = 156;
constexpr std::size_t kMagicAt = 257;
constexpr std::string_view kGnuMagic("ustar  \0", 8);
constexpr std::size_t kGnuMapAt = 386;
constexpr std::size_t kGnuRealSizeAt = 483;
constexpr int kOctal = 8;

Error corrupt(std::string_view what) {
  return {Errc::kCorrupt,
          "the tar has " + std::string(what) + ", which programs do not read alike"};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The body of an extended header is announced in octal digits; nobody makes one that needs more.
std::optional<std::size_t> body_bytes(std::string_view block) {
  auto digits = block.substr(kSizeAt, kSizeBytes);
  const auto first = digits.find_first_not_of(' ');
  digits.remove_prefix(first == digits.npos ? digits.size() : first);
  std::size_t size = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), size, kOctal);
  const bool ended = end == digits.data() + digits.size() || *end == ' ' || *end == '\0';
  if (error != std::errc() || !ended) return std::nullopt;
  return size;
}

/// Takes the records of one body in turn.
class Records {
 public:
  struct Record {
    std::string_view key;
    std::string_view value;
  };

  explicit Records(std::string_view body) : rest_(body) {}

  bool at_end() const { return rest_.empty(); }

  /// Unset for what is no record.
  std::optional<Record> next() {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), length);
    const auto digits = static_cast<std::size_t>(end - rest_.data());
    if (error != std::errc() || length > rest_.size() || length < digits + 3 ||
        rest_[digits] != ' ' || rest_[length - 1] != '\n')
      return std::nullopt;
    const auto text = rest_.substr(digits + 1, length - digits - 2);
    const auto equals = text.find('=');
    if (equals == text.npos || equals == 0) return std::nullopt;
    rest_.remove_prefix(length);
    return Record{text.substr(0, equals), text.substr(equals + 1)};
  }

 private:
  std::string_view rest_;
};

class HeaderCheck {
 public:
  Result<void> take(char type, std::string_view body) {
    switch (type) {
      case 'x':
        if (extended_++ > 0) return corrupt("two extended headers for one entry");
        return take_records(body);
      case 'g':
        return take_global(body);
      case 'L':
      case 'K':
        long_name_ = true;
        return check_names();
      case 'X':
      case 'A':
        return corrupt(std::string("an extended header of Sun's type \"") + type + "\"");
      default:
        return {};
    }
  }

  bool is_sparse() const { return sparse_; }

 private:
  Result<void> take_records(std::string_view body) {
    for (Records records(body); !records.at_end();) {
      const auto record = records.next();
      if (!record) return corrupt("an extended header with a malformed record");
      const auto& [key, value] = *record;
      const bool name = key == "path" || key == "linkpath";
      if (key == "size" && (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)))
        return corrupt("the size " + quoted_name(value));
      if (name && value.find('\0') != value.npos) return corrupt("a name with a NUL");
      pax_ = pax_ || name || key == "size";
      sparse_ = sparse_ || key.starts_with("GNU.sparse.") || key.starts_with("SUN.");
    }
    return check_names();
  }

  static Result<void> take_global(std::string_view body) {
    for (Records records(body); !records.at_end();) {
      const auto record = records.next();
      if (!record) return corrupt("a global header with a malformed record");
      if (record->key != "comment")
        return corrupt("a global header with " + quoted_name(record->key));
    }
    return {};
  }

  Result<void> check_names() const {
    if (long_name_ && pax_)
      return corrupt("extended headers of GNU's kind and of POSIX' for one entry");
    return {};
  }

  int extended_ = 0;
  bool long_name_ = false;
  bool pax_ = false;
  bool sparse_ = false;
};

bool is_extension(char type) {
  return std::string_view("xgLKXA").find(type) != std::string_view::npos;
}

/// libarchive reads GNU's map, and the size beside it, whatever type the entry is of.
bool has_gnu_map(std::string_view header) {
  return header.size() >= kBlock && header.substr(kMagicAt, kGnuMagic.size()) == kGnuMagic &&
         (header[kGnuMapAt] != '\0' || header[kGnuRealSizeAt] != '\0');
}

}  // namespace

Result<bool> check_tar_records(std::string_view header) {
  HeaderCheck check;
  while (header.size() >= kBlock && is_extension(header[kTypeAt])) {
    const auto size = body_bytes(header);
    if (!size || *size > header.size() - kBlock)
      return corrupt("an extended header without a proper size");
    KILN_TRY(check.take(header[kTypeAt], header.substr(kBlock, *size)));
    const auto padded = *size + (kBlock - *size % kBlock) % kBlock;
    header.remove_prefix(std::min(kBlock + padded, header.size()));
  }
  return check.is_sparse() || has_gnu_map(header);
}

}  // namespace kiln::layer
