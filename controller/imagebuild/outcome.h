#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln::imagebuild {

/// The named steps of a reconcile; the names are log keys and the error's context.
enum class Step {
  kSpec,
  kPin,
  kCredentials,
  kContent,  ///< Reading ConfigMaps and Secrets.
  kFetch,    ///< Fetching from other servers what they or the spec name.
  kImage,    ///< The same, of images in registries.
  kBase,
  kCompare,
  kAssemble,
  kPush,
  kRecord,
};
std::string_view name_of(Step step);

/// What an error means for the object: the one place that maps step and code to it.
struct Verdict {
  std::string_view reason;  ///< Of the condition and the Event.
  bool dead_end = false;    ///< Stalled: only a change of spec or content helps; no retry.
};
[[nodiscard]] Verdict judge(Step step, const Error& error);

}  // namespace kiln::imagebuild
