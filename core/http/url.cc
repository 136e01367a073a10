#include "core/http/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/ascii.h"
#include "core/base/encoding.h"

namespace kiln::http {
namespace {

constexpr std::size_t kMaxLength = 16 * 1024;
constexpr std::size_t kMaxHostLength = 253;
constexpr std::size_t kMaxLabelLength = 63;
constexpr std::size_t kShownPathBytes = 500;

Error invalid(std::string message) {
  return {Errc::kInvalid, std::move(message)};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alnum(char c) {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/// What may stand in a path or query: printable ASCII but for what programs read differently.
bool is_url_char(char c) {
  return c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\';
}

std::uint16_t default_port(std::string_view scheme) {
  return scheme == "https" ? 443 : 80;
}

/// inet_aton() and so getaddrinfo() read "0x7f.1" and "2130706433" as addresses; a host that looks
/// like a number must therefore be a plain dotted address (the WHATWG rule "ends in a number").
bool ends_in_number(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const auto label = host.substr(host.rfind('.') + 1);  // npos + 1 == 0
  if (label.empty()) return false;
  if (std::all_of(label.begin(), label.end(), is_digit)) return true;
  return label.size() >= 2 && label[0] == '0' && ascii_lower(label[1]) == 'x';
}

Result<std::string> parse_ipv6(std::string_view text) {
  in6_addr address{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (inet_pton(AF_INET6, std::string(text).c_str(), &address) != 1 ||
      inet_ntop(AF_INET6, &address, out.data(), out.size()) == nullptr)
    return invalid("the host in brackets is not an IPv6 address");
  return std::string(out.data());
}

Result<std::string> parse_name(std::string_view text) {
  const auto host = ascii_lower(text);
  if (host.size() > kMaxHostLength) return invalid("the host is longer than 253 characters");
  if (ends_in_number(host)) {
    in_addr address{};
    if (inet_pton(AF_INET, host.c_str(), &address) != 1)
      return invalid("the host looks like a number but is not an IPv4 address such as 192.0.2.1");
    return host;
  }
  std::size_t label = 0;
  for (std::size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '.' && label == 0) return invalid("the host has an empty part between dots");
    if (c != '.' && c != '-' && c != '_' && !is_alnum(c))
      return invalid("the host may hold only letters, digits, \"-\", \"_\" and \".\"");
    label = c == '.' ? 0 : label + 1;
    if (label > kMaxLabelLength) return invalid("a part of the host is longer than 63 characters");
  }
  return host;
}

struct Authority {
  std::string host;
  std::uint16_t port;
};

Result<std::uint16_t> parse_port(std::string_view text, std::string_view scheme) {
  if (text.empty()) return default_port(scheme);
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > 65535)
    return invalid("the port must be a number from 1 to 65535");
  return static_cast<std::uint16_t>(value);
}

Result<Authority> parse_authority(std::string_view text, std::string_view scheme) {
  if (text.find('@') != text.npos)
    return invalid("user information (\"user:password@\") is not allowed in a URL");
  Result<std::string> host = std::string();
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return invalid("the host has \"[\" without \"]\"");
    host = parse_ipv6(text.substr(1, end - 1));
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return invalid("only a port may follow the host's \"]\"");
  } else {
    const auto colon = std::min(text.find(':'), text.size());
    if (colon == 0) return invalid("the URL has no host");
    host = parse_name(text.substr(0, colon));
    port = text.substr(colon);
  }
  if (!host) return host.error();
  if (port.starts_with(':')) port.remove_prefix(1);
  const auto number = parse_port(port, scheme);
  if (!number) return number.error();
  return Authority{*host, *number};
}

/// RFC 3986 5.2.4, for a path that starts with '/'.
std::string remove_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool directory = false;
  for (std::size_t at = 1; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto segment = path.substr(at, end - at);
    directory = segment == "." || segment == "..";
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (!directory) kept.push_back(segment);
    at = end + 1;
  }
  std::string out;
  for (const auto& segment : kept) out.append("/").append(segment);
  if (directory || out.empty()) out += '/';
  return out;
}

struct PathAndQuery {
  std::string_view path, query;
  bool has_query;
};

/// Splits "path?query#fragment"; the fragment never goes to a server.
PathAndQuery split_target(std::string_view text) {
  text = text.substr(0, text.find('#'));
  const auto mark = text.find('?');
  if (mark == text.npos) return {text, {}, false};
  return {text.substr(0, mark), text.substr(mark + 1), true};
}

Error too_long() {
  return invalid("the URL is longer than 16 KiB");
}

Result<void> check_characters(std::string_view text) {
  if (text.size() > kMaxLength) return too_long();
  if (std::all_of(text.begin(), text.end(), is_url_char)) return {};
  return invalid(
      "the URL holds a space, control character, quote, backslash or non-ASCII character; "
      "write it percent-encoded");
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (const auto ok = check_characters(text); !ok) return ok.error();
  const auto colon = text.find("://");
  const auto scheme = ascii_lower(text.substr(0, std::min(colon, text.size())));
  if (colon == text.npos || (scheme != "http" && scheme != "https"))
    return invalid("the URL must start with \"http://\" or \"https://\"");
  text.remove_prefix(colon + 3);

  const auto end = std::min(text.find_first_of("/?#"), text.size());
  auto authority = parse_authority(text.substr(0, end), scheme);
  if (!authority) return authority.error();
  const auto [path, query, has_query] = split_target(text.substr(end));

  Url url;
  url.scheme_ = scheme;
  url.host_ = std::move(authority->host);
  url.port_ = authority->port;
  url.path_ = path.empty() ? "/" : std::string(path);
  url.query_ = query;
  return url;
}

// RFC 3986 5.2.2.
Result<Url> Url::resolve(std::string_view reference) const {
  if (const auto ok = check_characters(reference); !ok) return ok.error();
  const auto scheme_end = reference.find(':');
  if (scheme_end != reference.npos && scheme_end < reference.find_first_of("/?#")) {
    auto url = parse(reference);
    if (url) url->path_ = remove_dot_segments(url->path_);
    return url;
  }
  if (reference.starts_with("//")) {
    auto url = parse(scheme_ + ":" + std::string(reference));
    if (url) url->path_ = remove_dot_segments(url->path_);
    return url;
  }
  const auto [path, query, has_query] = split_target(reference);
  Url url = *this;
  if (path.empty()) {
    if (has_query) url.query_ = query;
    if (url.str().size() > kMaxLength) return too_long();
    return url;
  }
  url.path_ = remove_dot_segments(path[0] == '/'
                                      ? std::string(path)
                                      : path_.substr(0, path_.rfind('/') + 1) + std::string(path));
  url.query_ = query;
  if (url.str().size() > kMaxLength) return too_long();
  return url;
}

std::string Url::target() const {
  return query_.empty() ? path_ : path_ + "?" + query_;
}

std::string Url::host_port() const {
  const auto bracketed = host_.find(':') == host_.npos ? host_ : "[" + host_ + "]";
  return port_ == default_port(scheme_) ? bracketed : bracketed + ":" + std::to_string(port_);
}

std::string Url::origin() const {
  const auto bracketed = host_.find(':') == host_.npos ? host_ : "[" + host_ + "]";
  return scheme_ + "://" + bracketed + ":" + std::to_string(port_);
}

std::string Url::str() const {
  return scheme_ + "://" + host_port() + target();
}

std::string Url::redacted() const {
  const auto path = path_.substr(0, kShownPathBytes) + (path_.size() > kShownPathBytes ? "…" : "");
  return scheme_ + "://" + host_port() + path;
}

Url Url::with_path(std::string path) const {
  Url url = *this;
  url.query_.clear();
  url.path_ = path.starts_with('/') ? "" : "/";
  for (const char c : path) {
    if (is_url_char(c) && c != '?' && c != '#')
      url.path_ += c;
    else
      url.path_ += percent_encode(std::string_view(&c, 1));
  }
  return url;
}

Url Url::with_query(std::string_view key, std::string_view value) const {
  Url url = *this;
  if (!url.query_.empty()) url.query_ += '&';
  url.query_ += percent_encode(key) + "=" + percent_encode(value);
  return url;
}

}  // namespace kiln::http
