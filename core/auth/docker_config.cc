#include "core/auth/docker_config.h"

#include <algorithm>
#include <cctype>
#include <tuple>

#include "core/base/encoding.h"
#include "core/base/json.h"
#include "core/base/redact.h"

namespace kiln::auth {
namespace {

constexpr std::size_t kMaxConfigBytes = 1024 * 1024;  // What a Secret can hold.
constexpr std::string_view kDockerHub = "index.docker.io";

struct KeyParts {
  std::string host;
  std::string path;
};

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

bool consume_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// How a key is called in an error: never with what stands before an '@', which may be a password
/// with whatever characters in it.
std::string shown(std::string_view key) {
  const std::string_view scheme = key.starts_with("https://")  ? "https://"
                                  : key.starts_with("http://") ? "http://"
                                                               : "";
  const auto at = key.rfind('@');
  const auto rest = key.substr(at == key.npos ? scheme.size() : at + 1);
  return "\"" + sanitize_server_text(redact_url(std::string(scheme) + std::string(rest)), 200) +
         "\"";
}

/// "https://index.docker.io/v1/" → index.docker.io, ""; "ghcr.io/team/" → ghcr.io, team.
Result<KeyParts> split_key(std::string_view key) {
  const auto bad = [&](std::string_view why) {
    return Error(Errc::kInvalid, "the registry name " + shown(key) + " " + std::string(why) +
                                     "; write a host such as registry.example.com:5000");
  };
  auto rest = key;
  if (!consume_prefix(rest, "https://")) consume_prefix(rest, "http://");
  if (rest.find("://") != rest.npos) return bad("has an unknown scheme");
  if (rest.find_first_of("@?# \\") != rest.npos || has_control(rest))
    return bad("has characters that no registry name has");

  const auto slash = rest.find('/');
  KeyParts parts{lower(rest.substr(0, slash)), ""};
  if (parts.host.empty() || parts.host.front() == ':') return bad("has no host");
  if (parts.host == "docker.io" || parts.host == "registry-1.docker.io") parts.host = kDockerHub;
  if (slash == rest.npos) return parts;

  auto path = rest.substr(slash + 1);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path == "v1" || path == "v2") path = "";
  if (!consume_prefix(path, "v1/")) consume_prefix(path, "v2/");
  parts.path = std::string(path);
  return parts;
}

/// '*' stands for any run of characters within one part of a host name. Goes back to the last star
/// only, so that no pattern is slow.
bool part_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = pattern.npos;
  std::size_t retry_from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry_from = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++retry_from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

/// Part by part, so that "*.example.com" is neither "a.b.example.com" nor "example.com.evil.com".
bool host_matches(std::string_view pattern, std::string_view host) {
  if (pattern.find('*') == pattern.npos) return pattern == host;
  for (;;) {
    const auto pattern_dot = pattern.find('.');
    const auto host_dot = host.find('.');
    if (!part_matches(pattern.substr(0, pattern_dot), host.substr(0, host_dot))) return false;
    if (pattern_dot == pattern.npos || host_dot == host.npos) return pattern_dot == host_dot;
    pattern.remove_prefix(pattern_dot + 1);
    host.remove_prefix(host_dot + 1);
  }
}

bool path_covers(std::string_view prefix, std::string_view path) {
  return prefix.empty() || path == prefix ||
         (path.starts_with(prefix) && path.at(prefix.size()) == '/');
}

Error wrong_field(std::string_view key, std::string_view field, std::string_view what) {
  return {Errc::kInvalid, "the credentials for " + shown(key) + ": " + std::string(field) + " " +
                              std::string(what)};
}

Result<std::string> text_field(const Json& entry, std::string_view key, std::string_view field) {
  const auto& value = json_at(entry, field);
  if (value.is_null()) return std::string();
  if (!value.is_string()) return wrong_field(key, field, "must be a string");
  return value.get<std::string>();
}

/// Reads "auth", base64 of "user:password". Missing padding and a line break at the end, as
/// `echo … | base64` leaves it, are let pass; so is the NUL that old docker versions wrote.
Result<void> read_auth(std::string auth, std::string_view key, Credential& out) {
  const auto is_break = [](char c) { return c == '\n' || c == '\r' || c == ' '; };
  while (!auth.empty() && is_break(auth.back())) auth.pop_back();
  if (auth.empty()) return {};
  while (auth.size() % 4 != 0) auth += '=';
  auto decoded = base64_decode(auth);
  if (!decoded) return wrong_field(key, "auth", "is not base64 of \"user:password\"");
  while (!decoded->empty() &&
         (decoded->back() == '\n' || decoded->back() == '\r' || decoded->back() == '\0'))
    decoded->pop_back();
  const auto colon = decoded->find(':');
  if (colon == std::string::npos)
    return wrong_field(key, "auth", "is base64, but not of \"user:password\": there is no colon");
  out.username = decoded->substr(0, colon);
  out.password = decoded->substr(colon + 1);
  return {};
}

Result<Credential> read_credential(const Json& entry, std::string_view key) {
  if (!entry.is_object())
    return Error(Errc::kInvalid, "the credentials for " + shown(key) + " must be an object");
  Credential credential;
  const std::pair<std::string_view, std::string*> fields[] = {
      {"username", &credential.username},
      {"password", &credential.password},
      {"identitytoken", &credential.identity_token},
      {"registrytoken", &credential.registry_token}};
  for (const auto& [name, out] : fields) {
    auto value = text_field(entry, key, name);
    if (!value) return value.error();
    *out = *std::move(value);
  }
  auto auth = text_field(entry, key, "auth");
  if (!auth) return auth.error();
  KILN_TRY(read_auth(*std::move(auth), key, credential));

  // These travel in a header or before a colon; a stray line break would cut the request in two.
  if (has_control(credential.registry_token))
    return wrong_field(key, "registrytoken", "has a line break or another control character");
  if (has_control(credential.identity_token))
    return wrong_field(key, "identitytoken", "has a line break or another control character");
  if (credential.username.find(':') != std::string::npos)
    return wrong_field(key, "username", "must not have a colon");
  return credential;
}

/// Longest path first, then exact hosts before patterns.
auto rank(std::string_view host, std::string_view path) {
  const bool pattern = host.find('*') != host.npos;
  return std::tuple(-static_cast<std::ptrdiff_t>(path.size()), pattern,
                    -static_cast<std::ptrdiff_t>(host.size()));
}

Result<Json> parse_object(std::string_view json, std::string_view what) {
  if (json.size() > kMaxConfigBytes)
    return Error(Errc::kInvalid, std::string(what) + " is larger than 1 MiB");
  auto document = parse_json(json);
  if (!document) return std::move(document).error().while_doing("reading " + std::string(what));
  if (!document->is_object())
    return Error(Errc::kInvalid, std::string(what) + " must be a JSON object");
  return document;
}

/// True for {"ghcr.io": {"auth": …}}: the older form given where the newer one is expected.
bool looks_legacy(const Json& document) {
  return std::any_of(document.begin(), document.end(), [](const Json& value) {
    return value.is_object() &&
           (value.contains("auth") || value.contains("username") || value.contains("password"));
  });
}

}  // namespace

std::string docker_key(const std::string& registry) {
  return registry == kDockerHub ? "https://" + registry + "/v1/" : registry;
}

std::optional<std::string> registry_of_key(std::string_view key) {
  auto parts = split_key(key);
  if (!parts || !parts->path.empty() || parts->host.find('*') != std::string::npos)
    return std::nullopt;
  return std::move(parts->host);
}

/// The only place that sees the JSON: the header stays free of it.
struct DockerConfig::Reader {
  static Result<DockerConfig> read(const Json& registries) {
    DockerConfig config;
    for (const auto& [key, value] : registries.items()) {
      auto parts = split_key(key);
      if (!parts) return parts.error();
      auto credential = read_credential(value, key);
      if (!credential) return credential.error();
      if (credential->anonymous()) continue;  // {} says: ask the credential helper.
      config.entries_.push_back(
          {std::move(parts->host), std::move(parts->path), *std::move(credential)});
    }
    std::stable_sort(
        config.entries_.begin(), config.entries_.end(),
        [](const Entry& a, const Entry& b) { return rank(a.host, a.path) < rank(b.host, b.path); });
    return config;
  }

  /// Strict about nothing: in a Secret, helpers are none of our business.
  static void read_helpers(const Json& document, DockerConfig& config) {
    config.store_ = json_string(document, "credsStore");
    const auto& helpers = json_at(document, "credHelpers");
    if (!helpers.is_object()) return;
    for (const auto& [key, name] : helpers.items()) {
      const auto registry = registry_of_key(key);
      if (registry && name.is_string()) config.helpers_.emplace(*registry, name.get<std::string>());
    }
  }
};

Result<DockerConfig> DockerConfig::parse(std::string_view json) {
  auto document = parse_object(json, "the docker config");
  if (!document) return document.error();
  const auto& auths = json_at(*document, "auths");
  if (!auths.is_null() && !auths.is_object())
    return Error(Errc::kInvalid, "the docker config's \"auths\" must be an object");
  if (auths.is_null() && looks_legacy(*document))
    return Error(Errc::kInvalid,
                 "the docker config has no \"auths\": put the registries inside "
                 "{\"auths\": {…}}");

  auto config = Reader::read(auths.is_null() ? Json::object() : auths);
  if (!config) return config.error();
  Reader::read_helpers(*document, *config);
  return config;
}

Result<DockerConfig> DockerConfig::parse_legacy(std::string_view json) {
  auto document = parse_object(json, "the .dockercfg");
  if (!document) return document.error();
  return Reader::read(*document);
}

std::string DockerConfig::helper_for(const std::string& registry) const {
  const auto found = helpers_.find(registry);
  return found == helpers_.end() ? store_ : found->second;
}

std::vector<Credential> DockerConfig::find(const oci::Repository& repository) const {
  std::vector<Credential> found;
  for (const auto& entry : entries_) {
    if (!host_matches(entry.host, repository.registry)) continue;
    if (!path_covers(entry.path, repository.path)) continue;
    if (std::find(found.begin(), found.end(), entry.credential) == found.end())
      found.push_back(entry.credential);
  }
  return found;
}

std::vector<Credential> KeychainChain::find(const oci::Repository& repository) const {
  std::vector<Credential> found;
  for (const auto& keychain : chain_) {
    if (!keychain) continue;
    for (auto& credential : keychain->find(repository))
      if (std::find(found.begin(), found.end(), credential) == found.end())
        found.push_back(std::move(credential));
  }
  return found;
}

}  // namespace kiln::auth
