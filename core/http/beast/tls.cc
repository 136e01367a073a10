#include "core/http/beast/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "core/base/redact.h"
#include "core/base/sha256.h"

namespace kiln::http {
namespace {

namespace asio = boost::asio;
using asio::ssl::context;

constexpr std::size_t kNamesShown = 4;

Result<void> add_authorities(context& target, const TlsOptions& options) {
  if (options.ca_pem.empty()) return {};
  if (options.ca_pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
    return Error(Errc::kInvalid, "the CA certificate is not in PEM form");
  boost::system::error_code error;
  target.add_certificate_authority(asio::buffer(options.ca_pem), error);
  if (error) return Error(Errc::kInvalid, "the CA certificate cannot be read: " + error.message());
  return {};
}

Result<void> add_client_certificate(context& target, const TlsOptions& options) {
  if (options.client_cert_pem.empty()) return {};
  boost::system::error_code error;
  target.use_certificate_chain(asio::buffer(options.client_cert_pem), error);
  if (error)
    return Error(Errc::kInvalid, "the client certificate cannot be read: " + error.message());
  target.use_private_key(asio::buffer(options.client_key_pem), context::pem, error);
  if (error)
    return Error(Errc::kInvalid,
                 "the client key cannot be read or is not the certificate's: " + error.message());
  return {};
}

/// The system's authorities. OpenSSL looks them up by hashed file names; images without a shell
/// often have just one bundle file, under one of the names that distributions use.
void add_system_authorities(context& target) {
  boost::system::error_code ignored;  // With none at all nothing is trusted: said at the handshake.
  target.set_default_verify_paths(ignored);
  if (std::getenv(X509_get_default_cert_file_env()) != nullptr) return;
  std::error_code no_folder;
  for (const auto& entry :
       std::filesystem::directory_iterator(X509_get_default_cert_dir(), no_folder))
    if (entry.path().extension() == ".0") return;
  for (const auto* bundle :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    boost::system::error_code error;
    target.load_verify_file(bundle, error);
    if (!error) return;
  }
}

Result<std::shared_ptr<context>> make_context(const TlsOptions& options) {
  auto made = std::make_shared<context>(context::tls_client);
  SSL_CTX* native = made->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  // To read them all takes some time where they are one file.
  if (!options.only_ca_pem && !options.insecure_skip_verify) add_system_authorities(*made);
  KILN_TRY(add_authorities(*made, options));
  KILN_TRY(add_client_certificate(*made, options));
  return made;
}

std::string text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string ip_text(const ASN1_OCTET_STRING* bytes) {
  const auto raw = text_of(bytes);
  if (raw.size() == 4) {
    asio::ip::address_v4::bytes_type v4{};
    std::copy(raw.begin(), raw.end(), reinterpret_cast<char*>(v4.data()));
    return asio::ip::address_v4(v4).to_string();
  }
  if (raw.size() != 16) return "?";
  asio::ip::address_v6::bytes_type v6{};
  std::copy(raw.begin(), raw.end(), reinterpret_cast<char*>(v6.data()));
  return asio::ip::address_v6(v6).to_string();
}

/// "a.example.com, b.example.com and 3 more".
std::string names_in(X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> found(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; found && i < sk_GENERAL_NAME_num(found.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(found.get(), i);
    if (name->type == GEN_DNS) names.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) names.push_back(ip_text(name->d.iPAddress));
  }
  if (names.empty()) return "nobody (it has no subjectAltName)";
  std::string text = names[0];
  const auto shown = std::min(names.size(), kNamesShown);
  for (std::size_t i = 1; i < shown; ++i) text += ", " + names[i];
  if (names.size() > shown) text += " and " + std::to_string(names.size() - shown) + " more";
  return sanitize_server_text(text);
}

std::string issuer_of(X509* certificate) {
  std::array<char, 256> text{};
  X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, text.data(),
                            static_cast<int>(text.size()));
  return sanitize_server_text(text.data());
}

std::string unknown_authority(X509* certificate) {
  const auto issuer = certificate ? issuer_of(certificate) : std::string();
  const std::string text = "its certificate is signed by an unknown authority";
  return issuer.empty() ? text : text + " (\"" + issuer + "\")";
}

}  // namespace

std::string tls_identity(const TlsOptions* options) {
  if (options == nullptr) return "default";
  Sha256 sum;
  const auto add = [&sum](const std::string& part) {
    sum.update(std::to_string(part.size()) + ":");
    sum.update(part);
  };
  add(options->ca_pem);
  add(options->client_cert_pem);
  add(options->client_key_pem);
  add(options->server_name);
  sum.update(options->only_ca_pem ? "only" : "");
  sum.update(options->insecure_skip_verify ? "skip" : "");
  return sum.finish_hex();
}

Result<std::shared_ptr<TlsContexts::Context>> TlsContexts::get(const std::string& identity,
                                                               const TlsOptions* options) {
  const auto at = std::find_if(contexts_.begin(), contexts_.end(),
                               [&](const auto& entry) { return entry.first == identity; });
  if (at != contexts_.end()) {
    contexts_.splice(contexts_.begin(), contexts_, at);
    return contexts_.front().second;
  }
  auto made = make_context(options != nullptr ? *options : TlsOptions{});
  if (!made) return made.error();
  contexts_.emplace_front(identity, *made);
  if (contexts_.size() > kMaxContexts) contexts_.pop_back();
  return *made;
}

Result<void> expect_host(SSL* ssl, const std::string& host, bool verify) {
  constexpr std::array<unsigned char, 9> kAlpn = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_set_alpn_protos(ssl, kAlpn.data(), static_cast<unsigned>(kAlpn.size()));

  auto name = host;
  if (name.ends_with('.')) name.pop_back();
  boost::system::error_code not_an_address;
  asio::ip::make_address(name, not_an_address);
  if (not_an_address && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1)
    return Error(Errc::kInvalid, "the host name cannot be used for TLS");
  if (!verify) return {};

  auto* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(
      parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const int set = not_an_address
                      ? X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size())
                      : X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str());
  if (set != 1) return Error(Errc::kInternal, "the host to verify could not be set");
  return {};
}

std::string why_not_trusted(asio::ssl::verify_context& context, const std::string& host) {
  X509_STORE_CTX* store = context.native_handle();
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  X509* current = X509_STORE_CTX_get_current_cert(store);
  switch (const int error = X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "its certificate is for " + names_in(leaf) + ", not for " + host;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return unknown_authority(current);
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet (is a clock wrong?)";
    default:
      return std::string("its certificate: ") + X509_verify_cert_error_string(error);
  }
}

}  // namespace kiln::http
