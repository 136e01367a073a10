#include "core/oci/reference.h"

#include <algorithm>
#include <cctype>

#include "core/base/ascii.h"
#include "core/base/redact.h"

namespace kiln::oci {
namespace {

constexpr std::string_view kDockerHub = "index.docker.io";
constexpr std::size_t kMaxNameLength = 255;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

Error bad(std::string_view text, std::string why) {
  return {Errc::kInvalid, "image reference " + quoted_name(text) + ": " + std::move(why)};
}

/// The first part names a registry if it could not be part of a Docker Hub name. To Docker "Foo" of
/// "Foo/bar" is a registry as well; but in lower case, as registries are written, it is none, and
/// one name must not mean two images.
bool looks_like_registry(std::string_view part) {
  return part.find_first_of(".:[") != part.npos || ascii_lower(part) == "localhost";
}

bool valid_port(std::string_view port) {
  if (port.empty() || port.size() > 5) return false;
  if (port.find_first_not_of("0123456789") != port.npos) return false;
  const int value = std::stoi(std::string(port));
  return value > 0 && value <= 65535;
}

bool valid_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  while (!host.empty()) {
    const auto dot = std::min(host.find('.'), host.size());
    const auto label = host.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return false;
    if (!std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_'; }))
      return false;
    if (dot == host.size()) break;
    host.remove_prefix(dot + 1);
    if (host.empty()) return false;
  }
  return true;
}

/// host, host:port, [v6] or [v6]:port.
bool valid_registry(std::string_view registry) {
  if (registry.starts_with('[')) {
    const auto close = registry.find(']');
    if (close == registry.npos) return false;
    const auto address = registry.substr(1, close - 1);
    if (address.empty() || address.find_first_not_of("0123456789abcdefABCDEF:.") != address.npos)
      return false;
    const auto rest = registry.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && valid_port(rest.substr(1)));
  }
  const auto colon = registry.find(':');
  if (colon == registry.npos) return valid_host_name(registry);
  return valid_host_name(registry.substr(0, colon)) && valid_port(registry.substr(colon + 1));
}

/// One part of a repository path: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool valid_path_part(std::string_view part) {
  if (part.empty() || !is_lower_alnum(part.front()) || !is_lower_alnum(part.back())) return false;
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower_alnum(part[i])) {
      ++i;
      continue;
    }
    auto end = i;
    while (end < part.size() && part[end] == part[i]) ++end;
    const auto run = end - i;
    const bool fine =
        part[i] == '-' || (part[i] == '_' && run <= 2) || (part[i] == '.' && run == 1);
    if (!fine || !is_lower_alnum(part[end])) return false;
    i = end;
  }
  return true;
}

Result<void> check_path(std::string_view whole, std::string_view path) {
  if (path.empty()) return bad(whole, "the repository's name is missing");
  auto rest = path;
  for (;;) {
    const auto slash = std::min(rest.find('/'), rest.size());
    const auto part = rest.substr(0, slash);
    if (std::any_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))
      return bad(whole, "repository names are lower case; write " + quoted_name(ascii_lower(path)));
    if (!valid_path_part(part))
      return bad(whole,
                 "the repository part " + quoted_name(part) +
                     " is not valid; use lower-case letters, digits and single . _ - between them");
    if (slash == rest.size()) return {};
    rest.remove_prefix(slash + 1);
  }
}

std::string canonical_registry(std::string_view registry) {
  auto name = ascii_lower(registry);
  if (name == "docker.io" || name == "registry-1.docker.io" || name == "index.docker.io")
    return std::string(kDockerHub);
  return name;
}

/// Splits "registry/path" as Docker does and checks both.
Result<Repository> split_repository(std::string_view whole, std::string_view name) {
  const auto slash = name.find('/');
  std::string_view registry = kDockerHub;
  auto path = name;
  if (slash != name.npos && looks_like_registry(name.substr(0, slash))) {
    registry = name.substr(0, slash);
    path = name.substr(slash + 1);
    if (!valid_registry(registry))
      return bad(whole, "the registry " + quoted_name(registry) + " is not a host or host:port");
  }
  KILN_TRY(check_path(whole, path));
  Repository repository{canonical_registry(registry), std::string(path)};
  if (repository.registry == kDockerHub && path.find('/') == path.npos)
    repository.path = "library/" + repository.path;
  if (repository.str().size() > kMaxNameLength)
    return bad(whole, "registry and repository together are longer than 255 characters");
  return repository;
}

}  // namespace

Result<std::string> Reference::parse_tag(std::string_view text) {
  const auto fits = [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; };
  if (text.empty()) return Error(Errc::kInvalid, "the tag is empty");
  if (text.size() > 128) return Error(Errc::kInvalid, "the tag is longer than 128 characters");
  if (text.front() == '.' || text.front() == '-' || !std::all_of(text.begin(), text.end(), fits))
    return Error(Errc::kInvalid,
                 "the tag " + quoted_name(text) +
                     " is not valid; use letters, digits, _ . - and begin with none of . -");
  return std::string(text);
}

Result<Repository> Reference::parse_repository(std::string_view text) {
  if (text.find('@') != text.npos) return bad(text, "a repository has no digest here");
  const auto colon = text.rfind(':');
  if (colon != text.npos && text.find('/', colon) == text.npos && text.find('/') != text.npos)
    return bad(text, "a repository has no tag here");
  return split_repository(text, text);
}

Result<Reference> Reference::parse(std::string_view text) {
  if (text.empty()) return Error(Errc::kInvalid, "image reference is empty");
  if (text.size() > 512) return bad(text, "longer than 512 characters");
  if (text.find("://") != text.npos)
    return bad(text, "write it without a scheme, like registry.example.com/team/app:1.0");
  auto name = text;
  std::optional<Digest> digest;
  if (const auto at = name.find('@'); at != name.npos) {
    auto parsed = Digest::parse(name.substr(at + 1));
    if (!parsed) return bad(text, parsed.error().message);
    digest = std::move(*parsed);
    name = name.substr(0, at);
  }
  std::string tag;
  const auto slash = name.rfind('/');
  const auto colon = name.find(':', slash == name.npos ? 0 : slash);
  if (colon != name.npos) {
    auto parsed = parse_tag(name.substr(colon + 1));
    if (!parsed) return bad(text, parsed.error().message);
    tag = std::move(*parsed);
    name = name.substr(0, colon);
  }
  auto repository = split_repository(text, name);
  if (!repository) return std::move(repository).error();
  if (tag.empty() && !digest) tag = "latest";
  return Reference(std::move(*repository), std::move(tag), std::move(digest));
}

Reference Reference::with_tag(std::string tag) const {
  return Reference(repository_, std::move(tag), std::nullopt);
}

Reference Reference::with_digest(Digest digest) const {
  return Reference(repository_, "", std::move(digest));
}

std::string Reference::str() const {
  auto text = repository_.str();
  if (!tag_.empty()) text += ":" + tag_;
  if (digest_) text += "@" + digest_->str();
  return text;
}

bool is_loopback_registry(std::string_view registry) {
  auto host = registry;
  if (host.starts_with('[')) {
    host = host.substr(1, std::min(host.find(']'), host.size()) - 1);
    return host == "::1";
  }
  host = host.substr(0, host.find(':'));
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  if (!host.starts_with("127.")) return false;
  return host.find_first_not_of("0123456789.") == host.npos &&
         std::count(host.begin(), host.end(), '.') == 3;
}

}  // namespace kiln::oci
