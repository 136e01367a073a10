#include "core/source/tree_identity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>

namespace kiln::source {
namespace {

constexpr std::size_t kHashedAtOnce = 16 << 10;
// A field's length with its ":", or a number: none takes more.
constexpr std::size_t kNumberRoom = 24;

/// Writes into room that is large enough for all of it: large folders have a million fields.
class Writer {
 public:
  explicit Writer(char* at) : at_(at) {}

  template <std::integral Number>
  void number(Number value) {
    at_ = std::to_chars(at_, at_ + kNumberRoom, value).ptr;
  }
  void bytes(std::string_view text) { at_ = std::copy(text.begin(), text.end(), at_); }
  /// Length-prefixed, so that no two different lists of fields give the same bytes.
  void field(std::string_view text) {
    number(text.size());
    *at_++ = ':';
    bytes(text);
  }
  char* end() const { return at_; }

 private:
  char* at_;
};

/// Numbers with a space between each two.
template <std::integral... Numbers>
class NumbersText {
 public:
  explicit NumbersText(Numbers... numbers) {
    Writer writer(text_.data());
    const auto put = [&writer](auto number) {
      writer.number(number);
      writer.bytes(" ");
    };
    (put(numbers), ...);
    size_ = static_cast<std::size_t>(writer.end() - text_.data()) - 1;
  }
  std::string_view text() const { return {text_.data(), size_}; }

 private:
  std::array<char, sizeof...(Numbers) * kNumberRoom> text_;
  std::size_t size_;
};

/// How much an entry takes at most.
std::size_t room_for(const TreeIdentity::Facts& entry) {
  constexpr std::size_t kNumbers = 16;  // Numbers, and lengths of fields.
  auto room =
      kNumbers * kNumberRoom + entry.path.size() + entry.link_target.size() + entry.identity.size();
  for (const auto& [name, value] : entry.xattrs)
    room += 2 * kNumberRoom + name.size() + value.size();
  return room;
}

void write(const TreeIdentity::Facts& entry, Writer& writer) {
  writer.field(entry.path);
  writer.field(NumbersText(static_cast<int>(entry.kind)).text());
  writer.field(NumbersText(entry.mode, entry.uid, entry.gid).text());
  writer.field(entry.link_target);
  writer.field(entry.identity);
  writer.field(entry.mtime ? NumbersText(*entry.mtime).text() : std::string_view());
  // No path has a line break, so this field is not the next entry's.
  if (!entry.xattrs.empty()) writer.field("xattrs\n" + std::to_string(entry.xattrs.size()));
  for (const auto& [name, value] : entry.xattrs) {
    writer.field(name);
    writer.field(value);
  }
}

}  // namespace

TreeIdentity::TreeIdentity() : text_(2 * kHashedAtOnce, '\0') {
  Writer writer(text_.data());
  writer.field("kiln tree 1");
  used_ = static_cast<std::size_t>(writer.end() - text_.data());
}

void TreeIdentity::add(const Facts& entry) {
  const auto room = used_ + room_for(entry);
  if (text_.size() < room) text_.resize(room);
  Writer writer(text_.data() + used_);
  write(entry, writer);
  used_ = static_cast<std::size_t>(writer.end() - text_.data());
  if (used_ >= kHashedAtOnce) hash_what_is_used();
}

void TreeIdentity::hash_what_is_used() {
  hash_.update(std::string_view(text_.data(), used_));
  used_ = 0;
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
  hash_what_is_used();
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
