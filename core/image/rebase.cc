#include "core/image/rebase.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/oci/config_rebase.h"

namespace kiln::image {
namespace {

Result<void> check_base(const Image& image, const Image& old_base) {
  const auto ours = image.config().diff_ids();
  const auto theirs = old_base.config().diff_ids();
  if (theirs.size() > ours.size())
    return Error(Errc::kInvalid, "the image is not built on the old base: it has " +
                                     std::to_string(ours.size()) + " layers, the old base " +
                                     std::to_string(theirs.size()));
  const auto differ = std::mismatch(theirs.begin(), theirs.end(), ours.begin());
  if (differ.first == theirs.end()) return {};
  const auto number = static_cast<std::size_t>(differ.first - theirs.begin()) + 1;
  return Error(Errc::kInvalid, "the image is not built on the old base: its layer " +
                                   std::to_string(number) + " has the diff_id " +
                                   differ.second->str() + ", that of the old base " +
                                   differ.first->str());
}

Result<void> check_platform(const Image& image, const Image& base, std::string_view what) {
  const auto ours = image.platform();
  const auto theirs = base.platform();
  // Where only one of them names a variant, that is no contradiction.
  if (ours.matches(theirs) || theirs.matches(ours)) return {};
  return Error(Errc::kInvalid, "the image is for " + ours.str() + ", the " + std::string(what) +
                                   " for " + theirs.str());
}

/// The new base in the image's family of media types.
Result<Image> in_family_of(const Image& image, const Image& new_base) {
  auto base = new_base.with_media_types(image.docker_media_types());
  if (!image.docker_media_types()) return base;
  for (const auto& source : base.layers())
    if (oci::media_type::layer_compression(source.descriptor.media_type) ==
        oci::media_type::LayerCompression::kZstd)
      return Error(Errc::kInvalid,
                   "the new base has zstd layers, for which Docker's media types have no name, and "
                   "the image has those; write the image with OCI media types first");
  return base;
}

oci::Annotations merge(const oci::Annotations& image, const oci::Annotations& old_base,
                       oci::Annotations merged) {
  for (const auto& [key, value] : old_base)
    if (!image.contains(key)) merged.erase(key);
  for (const auto& [key, value] : image) {
    const auto before = old_base.find(key);
    if (before == old_base.end() || before->second != value) merged.insert_or_assign(key, value);
  }
  return merged;
}

}  // namespace

Result<Rebased> rebase(const Image& image, const Image& old_base, const Image& new_base) {
  KILN_TRY(check_base(image, old_base));
  KILN_TRY(check_platform(image, old_base, "old base"));
  KILN_TRY(check_platform(image, new_base, "new base"));
  auto base = in_family_of(image, new_base);
  if (base.has_error()) return std::move(base).error();

  auto layers = base->layers();
  const auto own = image.layers().begin() + static_cast<std::ptrdiff_t>(old_base.layers().size());
  layers.insert(layers.end(), own, image.layers().end());
  auto config = oci::rebase_config(image.config(), old_base.config(), new_base.config());

  Rebased rebased(base->with_layer_sources(std::move(layers))
                      .with_config(std::move(config.config))
                      .with_only_annotations(merge(image.annotations(), old_base.annotations(),
                                                   new_base.annotations())));
  rebased.warnings = std::move(config.warnings);
  return rebased;
}

}  // namespace kiln::image
