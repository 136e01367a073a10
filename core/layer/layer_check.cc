#include "core/layer/layer_check.h"

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/layer/entry_path.h"
#include "core/layer/unpacked_source.h"

namespace kiln::layer {
namespace {

constexpr ReadLimits kNoLimits{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

/// What image-spec asks of the order of a tar's entries.
class OrderCheck {
 public:
  Result<void> take(const TarEntry& found) {
    const auto name = name_of(found);
    if (!seen_.insert(name).second)
      return Error(Errc::kCorrupt, "\"/" + name + "\" stands twice in the layer");
    if (parents_assumed_.contains(name))
      return Error(Errc::kCorrupt, "\"/" + name + "\" comes after what is in it in the layer");
    for (auto parent = parent_of(name); !parent.empty(); parent = parent_of(parent))
      if (!seen_.contains(parent)) parents_assumed_.emplace(parent);
    if (found.entry.kind == EntryKind::kHardlink && !seen_.contains(found.entry.link_target))
      return Error(Errc::kCorrupt,
                   "\"/" + name + "\" is a hard link to something that comes later");
    return {};
  }

 private:
  /// A whiteout and a file of its name are two entries.
  static std::string name_of(const TarEntry& found) {
    const auto& path = found.entry.path;
    if (found.entry.kind != EntryKind::kWhiteout) return path;
    if (found.opaque) return join_path(path, ".wh..wh..opq");
    return join_path(parent_of(path), ".wh." + std::string(name_of_path(path)));
  }

  std::set<std::string, std::less<>> seen_;
  std::set<std::string, std::less<>> parents_assumed_;
};

Result<void> check_order(ByteSource& tar) {
  auto reader = TarReader::open(tar, kNoLimits);
  if (reader.has_error()) return std::move(reader).error();
  OrderCheck order;
  for (;;) {
    const auto entry = (*reader)->next();
    if (entry.has_error()) return entry.error();
    if (!*entry) return {};
    KILN_TRY(order.take(**entry));
  }
}

}  // namespace

Result<LayerFacts> check_layer(ByteSource& compressed) {
  HashingSource whole(compressed);
  UnpackedSource unpacked(whole, kNoLimits);
  HashingSource tar(unpacked);
  KILN_TRY(check_order(tar));

  auto digest = whole.finish();
  if (digest.has_error()) return std::move(digest).error();
  auto diff_id = tar.finish();
  if (diff_id.has_error()) return std::move(diff_id).error();
  return LayerFacts{std::move(*digest), whole.size_bytes(), std::move(*diff_id), tar.size_bytes()};
}

}  // namespace kiln::layer
