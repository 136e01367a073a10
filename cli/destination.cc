#include "cli/destination.h"

#include "core/build/pusher.h"
#include "core/store/oci_layout.h"

namespace kiln::cli {

Result<Target> Target::parse(std::string_view text) {
  for (const auto* later : {"oci-archive:", "docker-archive:", "docker-daemon:"})
    if (text.starts_with(later))
      return Error(Errc::kUnsupported, std::string(later) +
                                           " is not supported by this version; write to "
                                           "oci:DIR and convert it, for example with skopeo copy");
  Target target;
  if (!text.starts_with("oci:")) {
    auto reference = oci::Reference::parse(text);
    if (!reference) return std::move(reference).error();
    if (reference->digest())
      return Error(Errc::kInvalid, "a destination has a tag, not a digest: " + reference->str());
    target.tag_ = reference->tag();
    target.reference_ = std::move(*reference);
    return target;
  }
  auto rest = text.substr(4);
  target.tag_ = "latest";
  // The last colon splits off a tag, unless a "/" follows it: folders may have colons in their
  // names.
  if (const auto colon = rest.rfind(':');
      colon != rest.npos && rest.find('/', colon) == rest.npos) {
    auto tag = oci::Reference::parse_tag(rest.substr(colon + 1));
    if (!tag) return std::move(tag).error().while_doing("oci:DIR:TAG");
    target.tag_ = std::move(*tag);
    rest = rest.substr(0, colon);
  }
  if (rest.empty())
    return Error(Errc::kInvalid, "oci: needs a folder; write oci:DIR or oci:DIR:TAG");
  target.directory_ = std::string(rest);
  return target;
}

Result<std::unique_ptr<store::Destination>> Target::open(registry::Client& registry,
                                                         registry::Access access,
                                                         WorkPool& pool) const {
  if (reference_)
    return build::registry_destination(registry, reference_->repository(), std::move(access));
  return store::open_oci_layout(directory_, pool);
}

std::string Target::name() const {
  return reference_ ? reference_->repository().str() : "oci:" + directory_;
}

}  // namespace kiln::cli
