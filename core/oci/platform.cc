#include "core/oci/platform.h"

#include <algorithm>
#include <vector>

#include "core/base/redact.h"

namespace kiln::oci {
namespace {

bool valid_word(std::string_view word) {
  return !word.empty() && word.size() <= 32 &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == word.npos;
}

/// arm64's default variant is v8 and is usually left out; amd64's is v1.
std::string_view effective_variant(const Platform& platform) {
  if (platform.architecture == "arm64" && platform.variant == "v8") return "";
  if (platform.architecture == "amd64" && platform.variant == "v1") return "";
  return platform.variant;
}

}  // namespace

Result<Platform> Platform::parse(std::string_view text) {
  std::vector<std::string> words;
  auto rest = text;
  for (;;) {
    const auto slash = std::min(rest.find('/'), rest.size());
    words.emplace_back(rest.substr(0, slash));
    if (slash == rest.size()) break;
    rest.remove_prefix(slash + 1);
  }
  const bool fine = (words.size() == 2 || words.size() == 3) &&
                    std::all_of(words.begin(), words.end(), valid_word);
  if (!fine)
    return Error(Errc::kInvalid, "platform " + quoted_name(text, 64) +
                                     " is not valid; write it like linux/amd64 or linux/arm/v7");
  Platform platform{words[0], words[1]};
  if (words.size() == 3) platform.variant = words[2];
  return platform;
}

std::string Platform::str() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

bool Platform::matches(const Platform& offered) const {
  if (os != offered.os || architecture != offered.architecture) return false;
  return variant.empty() || effective_variant(*this) == effective_variant(offered);
}

}  // namespace kiln::oci
