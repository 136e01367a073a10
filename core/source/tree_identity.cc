#include "core/source/tree_identity.h"

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
namespace kiln::source {
namespace {

constexpr std::size_t kHashedAtOnce = 16 << 10;

template <std::integral Number>
void put(std::string& text, Number number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  text.append(digits.data(), end.ptr);
}

/// Length-prefixed, so that no two different lists of fields give the same bytes.
void feed(std::string& text, std::string_view field) {
  put(text, field.size());
  text += ':';
  text += field;
}

}  // namespace

TreeIdentity::TreeIdentity() {
  text_.reserve(2 * kHashedAtOnce);
  feed(text_, "kiln tree 1");
}

void TreeIdentity::add(const Facts& entry) {
  feed(text_, entry.path);
  std::string numbers;  // Short enough to need no memory, most of the time.
  put(numbers, static_cast<int>(entry.kind));
  feed(text_, numbers);
  numbers.clear();
  put(numbers, entry.mode);
  numbers += ' ';
  put(numbers, entry.uid);
  numbers += ' ';
  put(numbers, entry.gid);
  feed(text_, numbers);
  feed(text_, entry.link_target);
  feed(text_, entry.identity);
  numbers.clear();
  if (entry.mtime) put(numbers, *entry.mtime);
  feed(text_, numbers);
  // No path has a line break, so this field is not the next entry's.
  if (!entry.xattrs.empty()) feed(text_, "xattrs\n" + std::to_string(entry.xattrs.size()));
  for (const auto& [name, value] : entry.xattrs) {
    feed(text_, name);
    feed(text_, value);
  }
  if (text_.size() < kHashedAtOnce) return;
  hash_.update(text_);
  text_.clear();
}

void TreeIdentity::add(const layer::Entry& entry) {
  add(Facts{entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.link_target,
            entry.identity, entry.mtime, entry.xattrs});
}

void TreeIdentity::add(const EntrySketch& entry) {
  static const std::map<std::string, std::string> kNone;
  add(Facts{entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.link_target,
            entry.identity, std::nullopt, entry.xattrs != nullptr ? *entry.xattrs : kNone});
}

std::string TreeIdentity::finish() {
  hash_.update(text_);
  return identity_of_sum(hash_.finish());
}

std::string identity_of_sum(const Sha256Sum& sum) {
  std::string text;
  identity_of_sum(sum, text);
  return text;
}

void identity_of_sum(const Sha256Sum& sum, std::string& text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  text.assign(kSha256Identity);
  text.resize(kSha256Identity.size() + 2 * sum.size());
  auto* at = text.data() + kSha256Identity.size();
  for (const auto byte : sum) {
    *at++ = kDigits[byte >> 4U];
    *at++ = kDigits[byte & 15U];
  }
}

}  // namespace kiln::source
