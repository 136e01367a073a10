// A pull secret: a docker config, or the older .dockercfg. What follows the first NUL is the
// repository to find credentials for.
//
// It is full of secrets, so an error must say what is wrong without any of them.
#include <string>
#include <vector>

#include "core/auth/docker_config.h"
#include "core/base/json.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::auth {
namespace {

using fuzzing::require;

constexpr std::size_t kLongestInnocent = 7;  // Shorter ones may be a part of our own words.

/// Everything in the document that is no name of a field or registry, and what names carry of
/// user information.
void collect_secrets(const Json& json, std::vector<std::string>& out) {
  if (json.is_string() && json.get_ref<const std::string&>().size() > kLongestInnocent)
    out.push_back(json.get<std::string>());
  if (json.is_array())
    for (const auto& inner : json) collect_secrets(inner, out);
  if (!json.is_object()) return;
  for (const auto& [key, inner] : json.items()) {
    const auto at = key.rfind('@');
    if (at != std::string::npos && at > kLongestInnocent) out.push_back(key.substr(0, at));
    collect_secrets(inner, out);
  }
}

/// Without the names: who writes a password as the name of a registry as well shows it himself.
bool stands_in_a_name(const Json& json, const std::string& secret) {
  if (!json.is_structured()) return false;
  for (const auto& [key, inner] : json.items()) {
    const auto shown = key.substr(std::min(key.rfind('@') + 1, key.size()));
    if (shown.find(secret) != std::string::npos || stands_in_a_name(inner, secret)) return true;
  }
  return false;
}

void check_error(const Error& error, std::string_view json) {
  fuzzing::require_short_line(error.message, 500);
  const auto document = parse_json(json);
  if (!document) return;
  std::vector<std::string> secrets;
  collect_secrets(*document, secrets);
  for (const auto& secret : secrets)
    require(error.message.find(secret) == std::string::npos || stands_in_a_name(*document, secret),
            "an error holds no secret");
}

void check(const Result<DockerConfig>& config, std::string_view json,
           const oci::Repository& repository) {
  if (!config) return check_error(config.error(), json);
  const auto found = config->find(repository);
  require(!config->empty() || found.empty(), "nothing comes of nothing");
  for (const auto& credential : found) {
    require(!credential.anonymous(), "what is found says something");
    require(credential.username.find(':') == std::string::npos, "a user name has no colon");
    require(!fuzzing::has_control(credential.registry_token) &&
                !fuzzing::has_control(credential.identity_token),
            "tokens fit into a header");
  }
}

}  // namespace
}  // namespace kiln::auth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  auto rest = fuzzing::text_of(data, size);
  const auto json = fuzzing::take_part(rest, '\0');
  auto repository = oci::Reference::parse_repository(rest);
  if (!repository) repository = oci::Repository{"ghcr.io", "team/app"};
  auth::check(auth::DockerConfig::parse(json), json, *repository);
  auth::check(auth::DockerConfig::parse_legacy(json), json, *repository);
  return 0;
}
