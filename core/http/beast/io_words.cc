#include "core/http/beast/io_words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/error.hpp>

#include "core/base/deadline.h"

namespace kiln::http {
namespace {

namespace asio = boost::asio;

std::string tls_words(const boost::system::error_code& error) {
  switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return "the server does not speak TLS (is it plain http?)";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "the server speaks no TLS version from 1.2 on";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "the server asks for a client certificate";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "the server does not accept the client certificate";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return "the server refused the TLS handshake";
    default:
      return "TLS: " + error.message();
  }
}

}  // namespace

std::string plain_words(const boost::system::error_code& error) {
  if (error == asio::error::connection_refused) return "connection refused";
  if (error == asio::error::connection_reset || error == asio::error::broken_pipe)
    return "the server reset the connection";
  if (error == asio::error::eof) return "the server closed the connection";
  if (error == asio::ssl::error::stream_truncated)
    return "the server closed the connection without ending TLS";
  if (error == asio::error::host_unreachable) return "no route to the host";
  if (error == asio::error::network_unreachable) return "the network is unreachable";
  if (error == asio::error::timed_out) return "the connection timed out";
  if (error.category() == asio::error::get_ssl_category()) return tls_words(error);
  return error.message();
}

Error io_error(const boost::system::error_code& error, const std::string& what,
               const std::string& failed, std::chrono::milliseconds limit) {
  if (error == boost::beast::error::timeout) return deadline_error(what, limit);
  if (error == asio::error::operation_aborted) return {Errc::kCancelled, what + " was cancelled"};
  return {Errc::kUnavailable, failed + ": " + plain_words(error)};
}

}  // namespace kiln::http
