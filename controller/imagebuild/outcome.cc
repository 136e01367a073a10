#include "controller/imagebuild/outcome.h"

namespace kiln::imagebuild {
namespace {

/// What the code alone decides, whatever the step. "" = the step has to say.
std::string_view common_reason(Errc code) {
  switch (code) {
    case Errc::kRateLimited:
      return "RegistryRateLimited";
    case Errc::kTimeout:
      return "Timeout";
    case Errc::kEgressDenied:
      return "EgressDenied";
    case Errc::kNoSpace:
      return "NoSpace";
    case Errc::kCorrupt:
      return "DigestMismatch";
    case Errc::kUnauthorized:
      return "AuthenticationFailed";
    default:
      return "";
  }
}

/// Of git servers. A repository may get a commit that is right, so a dead end is looked at again
/// with every poll.
Verdict judge_fetch(const Error& error) {
  switch (error.code) {
    case Errc::kNotFound:
      return {"GitRevisionNotFound", false};
    case Errc::kUnauthorized:
    case Errc::kDenied:
      return {"AuthenticationFailed", false};
    case Errc::kInvalid:
    case Errc::kUnsupported:
      return {"ContentInvalid", true};
    case Errc::kEgressDenied:
      return {"EgressDenied", true};
    case Errc::kTimeout:
      return {"Timeout", false};
    case Errc::kNoSpace:
      return {"NoSpace", false};
    default:
      return {"GitOperationFailed", false};
  }
}

Verdict judge_pull(const Error& error) {
  switch (error.code) {
    case Errc::kNotFound:
      return {"BaseNotFound", false};
    case Errc::kDenied:
      return {"AuthenticationFailed", false};
    case Errc::kUnsupported:
    case Errc::kInvalid:
      return {"BaseNotFound", true};
    default:
      return {"RegistryUnavailable", false};
  }
}

Verdict judge_push(const Error& error) {
  switch (error.code) {
    case Errc::kInternal:  // Of ours: what was kept of a layer proved wrong, and is gone.
      return {"ProgressingWithRetry", false};
    case Errc::kNotFound:
    case Errc::kDenied:
    case Errc::kInvalid:
    case Errc::kUnsupported:
      return {"PushDenied", false};
    default:
      return {"RegistryUnavailable", false};
  }
}

}  // namespace

std::string_view name_of(Step step) {
  switch (step) {
    case Step::kSpec:
      return "checking the spec";
    case Step::kPin:
      return "moving the tags to spec.pin";
    case Step::kCredentials:
      return "reading credentials";
    case Step::kContent:
      return "reading the content";
    case Step::kFetch:
    case Step::kImage:
      return "fetching the content";
    case Step::kBase:
      return "resolving the base image";
    case Step::kCompare:
      return "comparing with the last build";
    case Step::kAssemble:
      return "assembling the image";
    case Step::kPush:
      return "pushing the image";
    case Step::kRecord:
      return "recording what is pushed";
  }
  return "";
}

Verdict judge(Step step, const Error& error) {
  if (step == Step::kFetch) return judge_fetch(error);
  // These steps talk to the API server alone: what it is short of is no registry's fault.
  const bool cluster_only =
      step == Step::kCredentials || step == Step::kContent || step == Step::kRecord;
  if (cluster_only && error.code == Errc::kRateLimited) return {"ProgressingWithRetry", false};
  if (const auto reason = common_reason(error.code); !reason.empty())
    return {reason, error.code == Errc::kEgressDenied};
  const bool for_good = error.code == Errc::kInvalid || error.code == Errc::kUnsupported;
  switch (step) {
    case Step::kSpec:
      return {"InvalidSpec", true};
    case Step::kCredentials:
      if (error.code == Errc::kNotFound) return {"SecretNotFound", false};
      return {for_good ? "AuthenticationFailed" : "ProgressingWithRetry", false};
    case Step::kContent:
      if (for_good) return {"ContentInvalid", true};
      return {error.code == Errc::kNotFound ? "ConfigMapNotFound" : "ProgressingWithRetry", false};
    case Step::kFetch:
      return judge_fetch(error);
    case Step::kImage:
      if (error.code == Errc::kNotFound) return {"ImageNotFound", false};
      if (for_good) return {"ContentInvalid", true};
      return judge_pull(error);
    case Step::kBase:
      return judge_pull(error);
    case Step::kAssemble:
      if (for_good) return {"ContentInvalid", true};
      return judge_pull(error);
    case Step::kPin:
    case Step::kCompare:
    case Step::kPush:
      return judge_push(error);
    case Step::kRecord:
      return {"ProgressingWithRetry", false};
  }
  return {"ProgressingWithRetry", false};
}

}  // namespace kiln::imagebuild
