#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/encoding.h"
#include "core/layer/entry_path.h"
#include "core/layer/tar_writer.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kPrefixBytes = 155;
constexpr std::uint64_t kMaxId = 07777777;        // 7 octal digits.
constexpr std::uint64_t kMaxSize = 077777777777;  // 11 octal digits: one less than 8 GiB.
constexpr std::int64_t kMaxTime = 077777777777;

/// A ustar header. Source: POSIX.1-2017, pax, "ustar Interchange Format".
struct UstarHeader {
  std::array<char, 100> name;
  std::array<char, 8> mode;
  std::array<char, 8> uid;
  std::array<char, 8> gid;
  std::array<char, 12> size;
  std::array<char, 12> mtime;
  std::array<char, 8> checksum;
  char type;
  std::array<char, 100> link;
  std::array<char, 8> magic;  // "ustar\0" and version "00".
  std::array<char, 32> uname;
  std::array<char, 32> gname;
  std::array<char, 8> devmajor;
  std::array<char, 8> devminor;
  std::array<char, 155> prefix;
  std::array<char, 12> padding;
};
static_assert(sizeof(UstarHeader) == kBlock);

template <std::size_t N>
void put_text(std::array<char, N>& field, std::string_view text) {
  std::copy_n(text.begin(), std::min(N, text.size()), field.begin());
}

/// Octal digits, zero-filled, and a NUL at the end.
template <std::size_t N>
void put_octal(std::array<char, N>& field, std::uint64_t value) {
  for (std::size_t i = N - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
  field[N - 1] = '\0';
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// What stands in a ustar field whose true text is in the PAX record: readable, ASCII, 100 bytes.
std::string ascii_stand_in(std::string_view text, bool directory) {
  std::string safe(text.substr(0, kNameBytes));
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return c < 0x20 || c >= 0x7f; }, '_');
  // Some readers take a trailing slash for a directory, whatever the type says.
  if (!directory && safe.ends_with('/')) safe.back() = '_';
  if (directory && !safe.ends_with('/')) safe.back() = '/';
  return safe;
}

/// Splits at the last "/" that leaves at most 155 bytes before and 1 to 100 after it.
std::optional<std::pair<std::string_view, std::string_view>> split_name(std::string_view name) {
  auto searched = name.substr(0, kPrefixBytes + 1);
  if (searched.size() == name.size() && searched.ends_with('/')) searched.remove_suffix(1);
  const auto slash = searched.rfind('/');
  if (slash == searched.npos || slash == 0) return std::nullopt;
  const auto rest = name.substr(slash + 1);
  if (rest.empty() || rest.size() > kNameBytes) return std::nullopt;
  return std::pair(name.substr(0, slash), rest);
}

/// "27 path=…\n": the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const auto bare = key.size() + value.size() + 3;  // Space, "=", newline.
  auto length = bare + std::to_string(bare).size();
  if (bare + std::to_string(length).size() > length) ++length;
  return std::to_string(length) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

char type_of(Device::Type type) {
  switch (type) {
    case Device::Type::kCharacter:
      return '3';
    case Device::Type::kBlock:
      return '4';
    case Device::Type::kFifo:
      break;
  }
  return '6';
}

char type_of(const Entry& entry) {
  switch (entry.kind) {
    case EntryKind::kDirectory:
      return '5';
    case EntryKind::kSymlink:
      return '2';
    case EntryKind::kHardlink:
      return '1';
    case EntryKind::kSpecial:
      return type_of(entry.device.value_or(Device()).type);
    default:
      return '0';
  }
}

void put_device(UstarHeader& header, const Device& device) {
  put_octal(header.devmajor, device.major);
  put_octal(header.devminor, device.minor);
}

std::string seal(UstarHeader& header) {
  put_text(header.magic, std::string_view("ustar\00000", 8));
  header.checksum.fill(' ');
  std::string block(kBlock, '\0');
  std::memcpy(block.data(), &header, kBlock);
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::array<char, 7> digits{};
  put_octal(digits, sum);
  std::copy(digits.begin(), digits.end(), block.begin() + offsetof(UstarHeader, checksum));
  return block;
}

/// The PAX header and its records. Its own name is made from the entry's; its time is 0.
std::string pax_header(std::string_view records, std::string_view name) {
  UstarHeader header{};
  put_text(header.name, ascii_stand_in("PaxHeaders.0/" + std::string(name), false));
  put_octal(header.mode, 0644);
  put_octal(header.uid, 0);
  put_octal(header.gid, 0);
  put_octal(header.size, records.size());
  put_octal(header.mtime, 0);
  put_device(header, {});
  header.type = 'x';
  auto blocks = seal(header);
  blocks.append(records);
  blocks.append((kBlock - records.size() % kBlock) % kBlock, '\0');
  return blocks;
}

/// The entry's name as the tar has it.
std::string name_in_tar(const Entry& entry) {
  if (entry.path.empty()) return "./";  // The root.
  if (entry.kind == EntryKind::kDirectory) return entry.path + "/";
  if (entry.kind != EntryKind::kWhiteout) return entry.path;
  return join_path(parent_of(entry.path), ".wh." + std::string(name_of_path(entry.path)));
}

/// Fills fields and notes in `pax` what they could not hold. Keys come out sorted.
class HeaderBuilder {
 public:
  void name(const std::string& text, bool directory) {
    if (is_ascii(text) && text.size() <= kNameBytes) return put_text(header_.name, text);
    const auto split = is_ascii(text) ? split_name(text) : std::nullopt;
    if (split) {
      put_text(header_.prefix, split->first);
      return put_text(header_.name, split->second);
    }
    put_text(header_.name, ascii_stand_in(text, directory));
    path_ = text;
  }

  void link(const std::string& text) {
    if (is_ascii(text) && text.size() <= kNameBytes) return put_text(header_.link, text);
    put_text(header_.link, ascii_stand_in(text, text.ends_with('/')));
    linkpath_ = text;
  }

  void owner(std::uint32_t uid, std::uint32_t gid) {
    put_octal(header_.uid, uid <= kMaxId ? uid : 0);
    put_octal(header_.gid, gid <= kMaxId ? gid : 0);
    if (uid > kMaxId) uid_ = std::to_string(uid);
    if (gid > kMaxId) gid_ = std::to_string(gid);
  }

  void size(std::uint64_t bytes) {
    put_octal(header_.size, bytes <= kMaxSize ? bytes : 0);
    if (bytes > kMaxSize) size_ = std::to_string(bytes);
  }

  void time(std::int64_t seconds) {
    const bool fits = seconds >= 0 && seconds <= kMaxTime;
    put_octal(header_.mtime, fits ? static_cast<std::uint64_t>(seconds) : 0);
    if (!fits) mtime_ = std::to_string(seconds);
  }

  void xattrs(const std::map<std::string, std::string>& attributes) {
    for (const auto& [name, value] : attributes)
      xattrs_ += pax_record("SCHILY.xattr." + name, value);
  }

  UstarHeader& fields() { return header_; }

  std::string records() const {
    std::string text = xattrs_;  // Capitals come first.
    const auto add = [&](std::string_view key, const std::string& value) {
      if (!value.empty()) text += pax_record(key, value);
    };
    add("gid", gid_);
    if (!is_utf8(path_) || !is_utf8(linkpath_)) add("hdrcharset", "BINARY");
    add("linkpath", linkpath_);
    add("mtime", mtime_);
    add("path", path_);
    add("size", size_);
    add("uid", uid_);
    return text;
  }

 private:
  UstarHeader header_{};
  std::string gid_, linkpath_, mtime_, path_, size_, uid_, xattrs_;
};

}  // namespace

std::string tar_header(const Entry& entry, std::int64_t mtime, std::uint64_t size_bytes) {
  const bool whiteout = entry.kind == EntryKind::kWhiteout;
  const bool link = entry.kind == EntryKind::kSymlink || entry.kind == EntryKind::kHardlink;
  const auto name = name_in_tar(entry);

  HeaderBuilder builder;
  builder.name(name, entry.kind == EntryKind::kDirectory);
  if (link) builder.link(entry.link_target);
  builder.owner(whiteout ? 0 : entry.uid, whiteout ? 0 : entry.gid);
  builder.size(size_bytes);
  builder.time(mtime);
  auto mode = whiteout ? 0644U : entry.mode & 07777U;
  if (entry.kind == EntryKind::kSymlink) mode = 0777U;
  put_octal(builder.fields().mode, mode);
  builder.fields().type = type_of(entry);
  const bool special = entry.kind == EntryKind::kSpecial;
  put_device(builder.fields(), special ? entry.device.value_or(Device()) : Device());
  if (!whiteout) builder.xattrs(entry.xattrs);

  const auto records = builder.records();
  std::string blocks;
  if (!records.empty()) blocks = pax_header(records, name);
  return blocks + seal(builder.fields());
}

}  // namespace kiln::layer
