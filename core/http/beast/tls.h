#pragma once
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/http/message.h"

namespace kiln::http {

/// A name for the content of TlsOptions: equal options, equal name. Null: the default ones.
std::string tls_identity(const TlsOptions* options);

/// OpenSSL contexts by identity: reading the system's CAs takes milliseconds. The least recently
/// used ones go first, so that clients of many users do not pile up.
class TlsContexts {
 public:
  using Context = boost::asio::ssl::context;
  /// Lifetime: shared, because connections outlive their entry here.
  /// Errors: kInvalid (options that are no PEM, a key that does not fit its certificate).
  [[nodiscard]] Result<std::shared_ptr<Context>> get(const std::string& identity,
                                                     const TlsOptions* options);

 private:
  static constexpr std::size_t kMaxContexts = 64;
  std::list<std::pair<std::string, std::shared_ptr<Context>>> contexts_;  ///< Most recent first.
};

/// Demands of one TLS connection that the peer's certificate is good for `host`: sets SNI, the name
/// or IP address to check, and ALPN "http/1.1".
[[nodiscard]] Result<void> expect_host(SSL* ssl, const std::string& host, bool verify);

/// Why a certificate was not accepted, in plain words; to be called while it is verified.
std::string why_not_trusted(boost::asio::ssl::verify_context& context, const std::string& host);

}  // namespace kiln::http
