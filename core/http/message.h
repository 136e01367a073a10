#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/io.h"
#include "core/http/url.h"

namespace kiln::http {

/// Header fields in order; names compare without case. Names and values with CR, LF or NUL are
/// refused by set() and add() (they are dropped and the call answers false).
class Headers {
 public:
  bool set(std::string_view name, std::string_view value);  ///< Replaces all of that name.
  bool add(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  /// The first value, or "" when there is none.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// What a request carries: nothing, bytes in memory, or a source that can be opened again for a
/// retry.
class Body {
 public:
  using Open = std::function<Result<std::unique_ptr<ByteSource>>()>;

  Body() = default;
  Body(std::string bytes);  // NOLINT(google-explicit-constructor): a string is a body.
  /// `open` yields exactly `size_bytes` bytes each time it is called. It is read on the I/O thread:
  /// memory or a local file, nothing that waits.
  Body(std::uint64_t size_bytes, Open open) : size_(size_bytes), open_(std::move(open)) {}

  std::uint64_t size_bytes() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// Lifetime: the source keeps what it reads alive.
  Result<std::unique_ptr<ByteSource>> open() const;

 private:
  std::uint64_t size_ = 0;
  std::shared_ptr<const std::string> bytes_;
  Open open_;
};

/// How a TLS connection is made. Immutable once shared; connections with different options never
/// mix.
struct TlsOptions {
  std::string ca_pem;           ///< Trusted besides the system's CAs; "" = only the system's.
  bool only_ca_pem = false;     ///< Trust `ca_pem` alone (a service with its own authority).
  std::string client_cert_pem;  ///< "" = no client certificate.
  std::string client_key_pem;
  bool insecure_skip_verify = false;
  std::string server_name;  ///< Checked instead of the URL's host; "" = the URL's host.
};

/// What kind of address a connection really went to; see EgressPolicy.
enum class AddressKind { kPublic, kPrivate, kLoopback };

struct Timeouts {
  std::chrono::milliseconds connect{10'000};  ///< Name resolution and TCP, all addresses together.
  std::chrono::milliseconds handshake{10'000};  ///< TLS.
  std::chrono::milliseconds leave{
      1'000};  ///< For a server to say that it wants a large body; then the body goes anyway.
  std::chrono::milliseconds response{
      60'000};                             ///< From the last byte sent to the response's header.
  std::chrono::milliseconds idle{30'000};  ///< Without any progress while a body flows.
};

struct Request {
  std::string method;
  Url url;
  Headers headers{};
  Body body{};
  std::shared_ptr<const TlsOptions> tls{};  ///< Null: system CAs, no client certificate.
  Timeouts timeouts{};
  std::uint64_t response_limit_bytes = 8 * 1024 * 1024;  ///< For Client::send; kInvalid beyond it.
  int max_redirects =
      0;  ///< Followed for GET and HEAD only; Authorization goes to the same origin only.
  /// A POST or PATCH that may be sent twice. Other methods may be anyway (RFC 9110 9.2.2); a
  /// kept-alive connection that dies before any answer is the only case in which Client itself
  /// sends again.
  bool replayable = false;
  /// Set when another server named this URL (realm, Location, redirect): where *that* server was
  /// reached. The connection is refused where this address may not be named by that one.
  std::optional<AddressKind> named_by{};
  /// Asked right before bytes of this request leave, also when it is sent again, and before each
  /// block of a long body; an Error ends the call with it. Null: may be sent. Quick, does not
  /// throw.
  std::function<Result<void>()> permit{};

  Request(std::string m, Url u) : method(std::move(m)), url(std::move(u)) {}
};

struct ResponseHead {
  int status = 0;
  Headers headers{};
  Url url;  ///< Where the answer came from, after redirects.
  AddressKind peer = AddressKind::kPublic;

  explicit ResponseHead(Url u) : url(std::move(u)) {}
};

struct Response {
  ResponseHead head;
  std::string body{};

  explicit Response(ResponseHead h, std::string b = {}) : head(std::move(h)), body(std::move(b)) {}
  int status() const { return head.status; }
  const Headers& headers() const { return head.headers; }
};

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7, IMF-fixdate).
std::string format_http_date(std::chrono::sys_seconds time);

/// Reads that, and the two obsolete forms a recipient must still read. nullopt: it is none of them.
std::optional<std::chrono::sys_seconds> parse_http_date(const std::string& text);

/// The server's own wish: "Retry-After" in seconds or as an HTTP date (RFC 9110 10.2.3), capped at
/// an hour.
std::optional<std::chrono::seconds> retry_after(const Headers& headers,
                                                std::chrono::sys_seconds now);

}  // namespace kiln::http
