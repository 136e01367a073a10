#include "core/source/git_url.h"

#include <algorithm>
#include <optional>

#include "core/base/ascii.h"

namespace kiln::source {
namespace {

constexpr std::size_t kMaxLength = 2048;
constexpr std::string_view kExample =
    "write https://git.example.com/team/site.git or ssh://git@git.example.com/team/site.git";

Error invalid(std::string_view message) {
  return {Errc::kInvalid, "the URL of the git repository " + std::string(message)};
}

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// A part of a host or user that no program takes for an option.
bool is_plain_name(std::string_view text) {
  return !text.empty() && text[0] != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alnum(c) || c == '.' || c == '-' || c == '_';
  });
}

int hex_value(char c) {
  const auto at = std::string_view("0123456789abcdef0123456789ABCDEF").find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at % 16);
}

/// "%0a" and its like: git decodes some URLs itself.
bool hides_control_character(std::string_view text) {
  for (std::size_t at = text.find('%'); at != text.npos; at = text.find('%', at + 1)) {
    if (at + 2 >= text.size()) return true;
    const int high = hex_value(text[at + 1]);
    const int low = hex_value(text[at + 2]);
    if (high < 0 || low < 0) return true;
    const int byte = high * 16 + low;
    if (byte < 0x20 || byte == 0x7f) return true;
  }
  return false;
}

/// "git@host:path", which is no URL: its three parts as one. nullopt: it is not of that form.
std::optional<std::string> url_of_scp_form(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == text.npos || text.find('/') < colon) return std::nullopt;
  const auto path = text.substr(colon + 1);
  if (path.empty() || path.starts_with(':') || path.starts_with("//")) return std::nullopt;
  return "ssh://" + std::string(text.substr(0, colon)) + (path.starts_with('/') ? "" : "/") +
         std::string(path);
}

}  // namespace

Result<void> GitUrl::set_server(std::string_view host_and_port) {
  // The rules for hosts are http::Url's; its ports are not ours.
  const auto server = http::Url::parse("http://" + std::string(host_and_port) + "/");
  if (!server) return invalid("is not right: " + server.error().message);
  if (server->host().find(':') == std::string::npos && !is_plain_name(server->host()))
    return invalid("has a host that starts with \"-\"");
  host_ = server->host();
  const auto after_brackets = host_and_port.find(']');
  const auto from = after_brackets == host_and_port.npos ? 0 : after_brackets;
  const bool has_port = host_and_port.find(':', from) != host_and_port.npos;
  const std::uint16_t own = scheme_ == Scheme::kHttps ? 443 : scheme_ == Scheme::kHttp ? 80 : 22;
  port_ = has_port ? server->port() : own;
  return {};
}

Result<void> GitUrl::set_path(std::string_view path) {
  const auto bad = [](char c) {
    return c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\';
  };
  if (path.find('?') != path.npos || path.find('#') != path.npos)
    return invalid(
        "must not hold \"?\" or \"#\": write the branch, tag or commit under ref and the directory "
        "under subPath");
  if (std::any_of(path.begin(), path.end(), bad) || hides_control_character(path))
    return invalid("must be printable ASCII without spaces");
  if (path.size() < 2) return invalid("has no path: " + std::string(kExample));
  path_ = path;
  return {};
}

Result<GitUrl> GitUrl::parse_http(std::string_view text, Scheme scheme) {
  GitUrl url;
  url.scheme_ = scheme;
  const auto slash = std::min(text.find('/'), text.size());
  const auto authority = text.substr(0, slash);
  if (authority.find('@') != authority.npos)
    return invalid("must not hold a user, password or token: put it into the Secret of secretRef");
  KILN_TRY(url.set_server(authority));
  KILN_TRY(url.set_path(text.substr(slash)));
  return url;
}

Result<GitUrl> GitUrl::parse_ssh(std::string_view text) {
  GitUrl url;
  url.scheme_ = Scheme::kSsh;
  const auto slash = std::min(text.find('/'), text.size());
  auto authority = text.substr(0, slash);
  url.user_ = "git";
  if (const auto at = authority.rfind('@'); at != authority.npos) {
    const auto user = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    if (user.find(':') != user.npos)
      return invalid(
          "must not hold a password: put the key into the Secret of secretRef, as identity");
    if (!is_plain_name(user))
      return invalid("has a user that is no name: " + std::string(kExample));
    url.user_ = user;
  }
  KILN_TRY(url.set_server(authority));
  KILN_TRY(url.set_path(text.substr(slash)));
  return url;
}

Result<GitUrl> GitUrl::parse(std::string_view text) {
  if (text.size() > kMaxLength) return invalid("is longer than 2048 characters");
  const auto end = text.find("://");
  const auto scheme = text.substr(0, end);
  const auto rest = end == text.npos ? std::string_view() : text.substr(end + 3);
  if (end != text.npos && scheme == "https") return parse_http(rest, Scheme::kHttps);
  if (end != text.npos && scheme == "http") return parse_http(rest, Scheme::kHttp);
  if (end != text.npos && scheme == "ssh") return parse_ssh(rest);
  if (end == text.npos)
    if (const auto url = url_of_scp_form(text); url && parse(*url))
      return invalid("must be a URL: write " + *url);
  return invalid("must start with https://, http:// or ssh://: " + std::string(kExample));
}

Result<GitUrl> GitUrl::parse_submodule(std::string_view text, const GitUrl& parent) {
  if (text.starts_with("./") || text.starts_with("../")) {
    std::string_view base = parent.path_;
    while (base.ends_with('/')) base.remove_suffix(1);
    while (text.starts_with("./") || text.starts_with("../")) {
      const bool up = text.starts_with("../");
      text.remove_prefix(up ? 3 : 2);
      if (up && base.empty()) return invalid("leads above the root of its server");
      if (up) base = base.substr(0, base.rfind('/'));
    }
    if (("/" + std::string(text) + "/").find("/../") != std::string::npos)
      return invalid("has \"..\" after a name");
    GitUrl url = parent;
    KILN_TRY(url.set_path(std::string(base) + "/" + std::string(text)));
    return url;
  }
  const bool scp = text.find("://") == text.npos;
  const auto converted = scp ? url_of_scp_form(text) : std::nullopt;
  auto url = parse(converted ? std::string_view(*converted) : text);
  if (url && url->scheme_ == Scheme::kHttp && parent.scheme_ != Scheme::kHttp)
    return invalid("must not be http where the repository's own is not");
  return url;
}

std::string_view GitUrl::scheme_name() const {
  switch (scheme_) {
    case Scheme::kHttps:
      return "https";
    case Scheme::kHttp:
      return "http";
    case Scheme::kSsh:
      break;
  }
  return "ssh";
}

bool GitUrl::has_default_port() const {
  return port_ == (scheme_ == Scheme::kHttps ? 443 : scheme_ == Scheme::kHttp ? 80 : 22);
}

std::string GitUrl::host_port() const {
  const auto host = host_.find(':') == std::string::npos ? host_ : "[" + host_ + "]";
  return has_default_port() ? host : host + ":" + std::to_string(port_);
}

std::string GitUrl::origin() const {
  return std::string(scheme_name()) + "://" + host_port() +
         (has_default_port() ? ":" + std::to_string(port_) : "");
}

std::string GitUrl::str() const {
  return std::string(scheme_name()) + "://" + (is_ssh() ? user_ + "@" : "") + host_port() + path_;
}

std::string GitUrl::repository_name() const {
  constexpr std::string_view kEnding = ".git";
  std::string name = host_;
  for (const char c : path_)
    if (c != '/' || name.back() != '/') name += c;
  while (name.ends_with('/')) name.pop_back();
  name = ascii_lower(name);
  if (name.ends_with(kEnding)) name.resize(name.size() - kEnding.size());
  return name;
}

std::string repository_name_of(std::string_view text) {
  const auto converted =
      text.find("://") == text.npos ? url_of_scp_form(text) : std::optional<std::string>();
  const auto url = GitUrl::parse(converted ? std::string_view(*converted) : text);
  return url ? url->repository_name() : "";
}

http::Url GitUrl::http_url(std::string_view suffix) const {
  // Never fails: this class refuses more than that one.
  return http::Url::parse(str())->with_path(path_ + std::string(suffix));
}

}  // namespace kiln::source
