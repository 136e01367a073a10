#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/http/url.h"

namespace kiln::http {

/// A forward proxy, spoken to in plain HTTP; TLS goes through it in a tunnel (CONNECT).
struct Proxy {
  Url url;                      ///< "http://proxy.example.com:3128/"
  std::string authorization{};  ///< The value of Proxy-Authorization, a secret; "" = none.

  explicit Proxy(Url u) : url(std::move(u)) {}
  /// "USER:PASSWORD", for a program that wants them so; "" = none.
  std::string login() const;
  /// `text` with what of it is secret masked.
  std::string without_login(std::string text) const;
};

/// Which requests go through which proxy. A small immutable value.
///
/// As programs in Go (docker, crane, helm) read the environment: HTTPS_PROXY for https URLs,
/// HTTP_PROXY for http, NO_PROXY for those that go directly; names in lower case come first.
/// NO_PROXY lists, separated by commas: "*", an address, a range ("10.0.0.0/8"), "example.com" (it
/// and all below it), ".example.com" or "*.example.com" (all below it); a port may follow.
/// localhost and loopback addresses always go directly.
/// Source: golang.org/x/net/http/httpproxy.
class ProxyRules {
 public:
  using Environment = std::function<const char*(const char*)>;

  ProxyRules() = default;  ///< None: everything goes directly.
  /// Errors: kInvalid, naming the variable (never its value); kUnsupported for a proxy that is
  /// itself spoken to in https, or SOCKS.
  [[nodiscard]] static Result<ProxyRules> from_environment(const Environment& environment);

  /// Everything through this one, loopback addresses too: "http://USER:PASSWORD@HOST:PORT".
  /// Errors: kInvalid, kUnsupported, as above.
  [[nodiscard]] static Result<ProxyRules> always(std::string_view url);

  /// Null = directly. Lifetime: points into these rules.
  const Proxy* proxy_for(const Url& url) const;
  bool empty() const { return !http_ && !https_; }
  /// "http://proxy.example.com:3128", for people; two when they differ.
  std::string str() const;

 private:
  struct Exception {
    std::string host;  ///< "*", a name, an address, or a range.
    bool below_only = false;
    std::optional<std::uint16_t> port{};
  };
  static std::vector<Exception> parse_exceptions(std::string_view list);
  bool goes_directly(const Url& url) const;

  std::optional<Proxy> http_{};
  std::optional<Proxy> https_{};
  std::vector<Exception> exceptions_{};
  bool always_ = false;
};

}  // namespace kiln::http
