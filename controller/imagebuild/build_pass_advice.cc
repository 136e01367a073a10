// What a BuildPass adds to errors: which field of the spec they are about.
#include "controller/imagebuild/build_pass.h"
#include "core/base/choices.h"

namespace kiln::imagebuild {
/// The registry that the step asks, as the spec has it. Null for other steps.
std::optional<BuildPass::Party> BuildPass::party(Step step) const {
  const auto& spec = build_->spec;
  switch (step) {
    case Step::kImage: {
      const auto access = accesses_.content.find(failed_image_);
      if (access == accesses_.content.end()) return std::nullopt;
      const auto& image = *spec.content[failed_image_].image;
      return Party(plan::content_field(failed_image_) + ".image", image.registry, image.reference,
                   access->second);
    }
    case Step::kBase:
    case Step::kAssemble:
      return Party("spec.base", spec.base.registry, spec.base.image, accesses_.base);
    case Step::kPin:
    case Step::kCompare:
    case Step::kPush:
      return Party("spec.output", spec.output.registry, spec.output.image, accesses_.output);
    default:
      return std::nullopt;
  }
}

/// Where credentials that were not taken come from, or where to write those that lack. Names of
/// Secrets only.
std::string BuildPass::advice_on_credentials(Step step) const {
  const auto asked = party(step);
  if (!asked) return "";
  const auto reference = oci::Reference::parse(asked->image);
  if (!reference) return "";
  const auto& keychain = asked->access.keychain;
  const bool given = keychain && !keychain->find(reference->repository()).empty();
  const auto& host = reference->repository().registry;
  const auto field = asked->field + ".secretRef";
  if (const auto& secret = asked->ref.secret; !secret.empty()) {
    const auto named = "the Secret " + secret + " (" + field + ")";
    return given ? "; they are from " + named : "; " + named + " has none for " + host;
  }
  const auto& account = build_->spec.service_account;
  const auto account_field = "imagePullSecrets of the service account " + account;
  const auto secrets =
      ports_.view.secrets_of_account(kube::ObjectKey(seen_->meta.namespace_, account));
  if (given) return "; they are from " + account_field + " (" + some_of(secrets) + ")";
  if (!secrets.empty())
    return "; " + account_field + " (" + some_of(secrets) + ") have none for " + host +
           ": add them there, or name a Secret in " + field;
  return "; name a Secret with them in " + field + ", or in " + account_field;
}

Error BuildPass::with_advice(Error error) const {
  if (error.code == Errc::kUnauthorized) error.message += advice_on_credentials(step_);
  if (error.code == Errc::kNotFound && step_ == Step::kBase)
    error.message += "; correct spec.base.image, or push that image";
  return error;
}

}  // namespace kiln::imagebuild
