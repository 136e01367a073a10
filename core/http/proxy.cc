#include "core/http/proxy.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>

#include "core/base/encoding.h"
#include "core/http/egress_policy.h"

namespace kiln::http {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string variable(const ProxyRules::Environment& environment, const std::string& name) {
  for (const auto& spelling : {lower(name), name})
    if (const char* value = environment(spelling.c_str()); value != nullptr && *value != '\0')
      return std::string(trim(value));
  return {};
}

/// "%40" in a password is "@".
std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const auto digits = text.substr(i, 3);
    if (digits.size() == 3 && digits[0] == '%' &&
        std::from_chars(digits.data() + 1, digits.data() + 3, value, 16).ptr == digits.end()) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<Proxy> parse_proxy(std::string_view text) {
  const auto scheme_end = text.find("://");
  const auto scheme = scheme_end == text.npos ? "http" : lower(text.substr(0, scheme_end));
  auto rest = scheme_end == text.npos ? text : text.substr(scheme_end + 3);
  if (scheme != "http")
    return Error(Errc::kUnsupported,
                 "only proxies that are spoken to in plain http are supported; write "
                 "http://HOST:PORT (what goes to https servers stays inside TLS)");
  std::string authorization;
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  if (const auto at = authority.rfind('@'); at != authority.npos) {
    authorization = "Basic " + base64_encode(percent_decode(authority.substr(0, at)));
    rest.remove_prefix(at + 1);
  }
  auto url = Url::parse("http://" + std::string(rest));
  if (!url) return url.error();
  Proxy proxy(url->with_path("/"));
  proxy.authorization = std::move(authorization);
  return proxy;
}

Result<std::optional<Proxy>> proxy_from(const ProxyRules::Environment& environment,
                                        const std::string& name) {
  auto text = variable(environment, name);
  if (text.empty()) return std::optional<Proxy>();
  auto proxy = parse_proxy(text);
  if (!proxy) return std::move(proxy).error().while_doing(name);
  return std::optional<Proxy>(*std::move(proxy));
}

bool is_loopback(const std::string& host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return !error && kind_of(address) == AddressKind::kLoopback;
}

bool in_range(const std::string& host, const std::string& range) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  const auto cidr = Cidr::parse(range);
  return !error && cidr && cidr->contains(address);
}

}  // namespace

std::string Proxy::login() const {
  constexpr std::string_view kBasic = "Basic ";
  if (!authorization.starts_with(kBasic)) return "";
  const auto text = base64_decode(std::string_view(authorization).substr(kBasic.size()));
  return text ? *text : std::string();
}

std::string Proxy::without_login(std::string text) const {
  const auto user_and_password = login();
  const auto password = user_and_password.substr(user_and_password.find(':') + 1);
  if (password.size() < 3) return text;
  for (auto at = text.find(password); at != text.npos; at = text.find(password, at + 3))
    text.replace(at, password.size(), "***");
  return text;
}

std::vector<ProxyRules::Exception> ProxyRules::parse_exceptions(std::string_view list) {
  std::vector<Exception> exceptions;
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    auto item = lower(trim(list.substr(at, end - at)));
    at = end + 1;
    Exception exception;
    const auto colon = item.rfind(':');
    const bool bare_ipv6 = item.find(':') != colon && !item.starts_with('[');
    if (colon != item.npos && !bare_ipv6 && item.back() != ']') {
      unsigned port = 0;
      std::from_chars(item.data() + colon + 1, item.data() + item.size(), port);
      exception.port = static_cast<std::uint16_t>(port);
      item.resize(colon);
    }
    if (item.starts_with('[') && item.ends_with(']')) item = item.substr(1, item.size() - 2);
    if (item.starts_with("*.")) item.erase(0, 1);
    exception.below_only = item.starts_with('.');
    if (exception.below_only) item.erase(0, 1);
    exception.host = item;
    if (!item.empty()) exceptions.push_back(std::move(exception));
  }
  return exceptions;
}

Result<ProxyRules> ProxyRules::from_environment(const Environment& environment) {
  ProxyRules rules;
  auto http = proxy_from(environment, "HTTP_PROXY");
  if (!http) return std::move(http).error();
  auto https = proxy_from(environment, "HTTPS_PROXY");
  if (!https) return std::move(https).error();
  rules.http_ = *std::move(http);
  rules.https_ = *std::move(https);
  rules.exceptions_ = parse_exceptions(variable(environment, "NO_PROXY"));
  return rules;
}

Result<ProxyRules> ProxyRules::always(std::string_view url) {
  auto proxy = parse_proxy(url);
  if (!proxy) return std::move(proxy).error();
  ProxyRules rules;
  rules.http_ = rules.https_ = std::move(*proxy);
  rules.always_ = true;
  return rules;
}

bool ProxyRules::goes_directly(const Url& url) const {
  if (always_) return false;
  const auto& host = url.host();
  if (is_loopback(host)) return true;
  return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const Exception& exception) {
    if (exception.port && *exception.port != url.port()) return false;
    if (exception.host == "*") return true;
    if (!exception.below_only && (host == exception.host || in_range(host, exception.host)))
      return true;
    return host.ends_with("." + exception.host);
  });
}

const Proxy* ProxyRules::proxy_for(const Url& url) const {
  const auto& proxy = url.is_https() ? https_ : http_;
  return proxy && !goes_directly(url) ? &*proxy : nullptr;
}

std::string ProxyRules::str() const {
  const auto text = [](const Proxy& proxy) { return "http://" + proxy.url.host_port(); };
  if (!https_ && !http_) return "";
  if (!https_ || !http_ || https_->url == http_->url) return text(https_ ? *https_ : *http_);
  return text(*https_) + " (https), " + text(*http_) + " (http)";
}

}  // namespace kiln::http
