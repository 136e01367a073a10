#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/sha256.h"
#include "core/layer/entry_path.h"
#include "core/layer/layer_index.h"

namespace kiln::layer {
namespace {

// "kiln-layer-index/2 <sha256 of the rest>\n", then one record per entry:
//   <bytes shared with the path before> <kind><"o" if opaque> <mode, octal> <uid> <gid> <size>
//   <time or "-">\0<rest of the path>\0<link target>\0
constexpr std::string_view kMagic = "kiln-layer-index/2 ";
constexpr std::size_t kHexDigits = 64;
constexpr std::string_view kKinds = "dfshwx";  // In the order of EntryKind.

Error broken(std::string_view why) {
  return {Errc::kCorrupt, "layer index: " + std::string(why)};
}

std::string octal(std::uint32_t value) {
  std::string text(12, '\0');
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 8).ptr;
  text.resize(static_cast<std::size_t>(end - text.data()));
  return text;
}

/// Takes the text up to `end` off the front of `rest`.
std::optional<std::string_view> take_until(std::string_view& rest, char end) {
  const auto at = rest.find(end);
  if (at == rest.npos) return std::nullopt;
  const auto taken = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return taken;
}

template <class T>
bool parse_number(std::string_view text, int base, T& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

template <class T>
bool take_number(std::string_view& rest, char end, int base, T& value) {
  const auto text = take_until(rest, end);
  return text && parse_number(*text, base, value);
}

bool take_time(std::string_view& rest, IndexedEntry& entry) {
  const auto text = take_until(rest, '\0');
  if (!text) return false;
  return *text == "-" || parse_number(*text, 10, entry.mtime.emplace());
}

bool take_kind(std::string_view& rest, IndexedEntry& entry) {
  const auto text = take_until(rest, ' ');
  if (!text || text->empty() || text->size() > 2) return false;
  const auto kind = kKinds.find(text->front());
  if (kind == kKinds.npos || (text->size() == 2 && text->back() != 'o')) return false;
  entry.kind = static_cast<EntryKind>(kind);
  entry.opaque = text->size() == 2;
  return true;
}

bool take_entry(std::string_view& rest, const std::string& before, IndexedEntry& entry) {
  std::size_t shared = 0;
  if (!take_number(rest, ' ', 10, shared) || shared > before.size()) return false;
  if (!take_kind(rest, entry)) return false;
  if (!take_number(rest, ' ', 8, entry.mode) || entry.mode > 07777U) return false;
  if (!take_number(rest, ' ', 10, entry.uid)) return false;
  if (!take_number(rest, ' ', 10, entry.gid)) return false;
  if (!take_number(rest, ' ', 10, entry.size_bytes)) return false;
  if (!take_time(rest, entry)) return false;
  const auto own = take_until(rest, '\0');
  const auto target = own ? take_until(rest, '\0') : std::nullopt;
  if (!target) return false;
  // Or else a short text could unfold to long paths without end.
  if (shared + own->size() > kMaxPathBytes) return false;
  entry.path = before.substr(0, shared) + std::string(*own);
  entry.link_target = *target;
  return true;
}

}  // namespace

std::string LayerIndex::to_bytes() const {
  std::string body;
  std::string_view before;
  for (const auto& entry : entries) {
    const std::string_view path = entry.path;
    const auto differ = std::mismatch(path.begin(), path.end(), before.begin(), before.end()).first;
    const auto shared = static_cast<std::size_t>(differ - path.begin());
    body += std::to_string(shared) + " " + kKinds[static_cast<std::size_t>(entry.kind)];
    if (entry.opaque) body += 'o';
    body += " " + octal(entry.mode) + " " + std::to_string(entry.uid) + " " +
            std::to_string(entry.gid) + " " + std::to_string(entry.size_bytes) + " " +
            (entry.mtime ? std::to_string(*entry.mtime) : "-") + '\0';
    body.append(path.substr(shared)) += '\0';
    body.append(entry.link_target) += '\0';
    before = path;
  }
  return std::string(kMagic) + sha256_hex(body) + "\n" + body;
}

Result<LayerIndex> LayerIndex::from_bytes(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return broken("unknown version");
  bytes.remove_prefix(kMagic.size());
  if (bytes.size() <= kHexDigits || bytes[kHexDigits] != '\n') return broken("no checksum");
  const auto sum = bytes.substr(0, kHexDigits);
  auto rest = bytes.substr(kHexDigits + 1);
  if (sha256_hex(rest) != sum) return broken("the checksum is wrong");

  LayerIndex index;
  std::string before;
  while (!rest.empty()) {
    IndexedEntry entry;
    if (!take_entry(rest, before, entry)) return broken("a record is malformed");
    if (!index.entries.empty() && entry.path <= before) return broken("paths are out of order");
    before = entry.path;
    index.entries.push_back(std::move(entry));
  }
  return index;
}

}  // namespace kiln::layer
