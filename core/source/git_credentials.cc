#include "core/source/git_credentials.h"

#include <algorithm>

#include "core/base/encoding.h"

namespace kiln::source {
namespace {

using Keys = std::map<std::string, std::string>;

constexpr std::size_t kMaxKeyBytes = 256 * 1024;

std::string value_of(const Keys& keys, const std::string& key) {
  const auto found = keys.find(key);
  return found == keys.end() ? std::string() : found->second;
}

std::string without_line_break(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

/// Files for other programs: "\n" alone ends lines, also the last one.
std::string as_text_file(std::string text) {
  std::erase(text, '\r');
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Error bad_key(std::string_view key, std::string_view what) {
  return {Errc::kInvalid, std::string(key) + " " + std::string(what)};
}

Result<void> check_pem(std::string_view key, const std::string& text) {
  if (text.empty() || text.find("-----BEGIN ") != std::string::npos) return {};
  return bad_key(key, "is no PEM: it must begin with -----BEGIN");
}

}  // namespace

Result<void> GitCredentials::read_login(const Keys& keys) {
  const auto token = without_line_break(value_of(keys, "bearerToken"));
  const auto username = without_line_break(value_of(keys, "username"));
  const auto password = without_line_break(value_of(keys, "password"));
  for (const auto& [key, value] :
       {std::pair("bearerToken", &token), std::pair("username", &username),
        std::pair("password", &password)})
    if (has_control_characters(*value))
      return bad_key(key, "holds a line break or another control character");
  if (!token.empty()) {
    authorization_ = "Bearer " + token;
  } else if (!username.empty()) {
    if (username.find(':') != std::string::npos)
      return bad_key("username", "must not hold \":\"; HTTP ends the user name there");
    authorization_ = "Basic " + base64_encode(username + ":" + password);
  } else if (!password.empty()) {
    return bad_key("username",
                   "is missing: password needs one; with a token most servers take any");
  }
  secrets_ = {token, password, authorization_.substr(authorization_.find(' ') + 1)};
  if (authorization_.empty()) secrets_.clear();
  return {};
}

Result<void> GitCredentials::read_tls(const Keys& keys) {
  tls_.ca_pem = as_text_file(value_of(keys, "ca.crt"));
  if (tls_.ca_pem.empty()) tls_.ca_pem = as_text_file(value_of(keys, "caFile"));
  tls_.client_cert_pem = as_text_file(value_of(keys, "tls.crt"));
  tls_.client_key_pem = as_text_file(value_of(keys, "tls.key"));
  KILN_TRY(check_pem("ca.crt", tls_.ca_pem));
  KILN_TRY(check_pem("tls.crt", tls_.client_cert_pem));
  KILN_TRY(check_pem("tls.key", tls_.client_key_pem));
  if (tls_.client_cert_pem.empty() != tls_.client_key_pem.empty())
    return bad_key(tls_.client_key_pem.empty() ? "tls.key" : "tls.crt",
                   "is missing: a client certificate needs both");
  return {};
}

Result<void> GitCredentials::read_http(const Keys& keys, const GitUrl& url) {
  KILN_TRY(read_tls(keys));
  if (!GitHubApp::is_in(keys)) return read_login(keys);
  auto app = GitHubApp::parse(keys, url, tls_);
  if (!app) return std::move(app).error();
  app_ = std::move(*app);
  return {};
}

Result<void> GitCredentials::read_ssh(const Keys& keys) {
  identity_ = as_text_file(value_of(keys, "identity"));
  known_hosts_ = as_text_file(value_of(keys, "known_hosts"));
  passphrase_ = without_line_break(value_of(keys, "password"));
  if (identity_.empty()) return bad_key("identity", "is missing: ssh needs the private key there");
  KILN_TRY(check_pem("identity", identity_));
  if (known_hosts_.empty())
    return bad_key("known_hosts",
                   "is missing: no host key is trusted at first sight; write the output of "
                   "ssh-keyscan there, once you have checked it");
  if (has_control_characters(passphrase_))
    return bad_key("password", "holds a line break or another control character");
  secrets_ = {passphrase_};
  return {};
}

Result<GitCredentials> GitCredentials::parse(const Keys& keys, const GitUrl& url) {
  for (const auto& [key, value] : keys)
    if (value.size() > kMaxKeyBytes) return bad_key(key, "is larger than 256 KiB");
  GitCredentials credentials;
  KILN_TRY(url.is_ssh() ? credentials.read_ssh(keys) : credentials.read_http(keys, url));
  std::erase_if(credentials.secrets_, [](const auto& secret) { return secret.size() < 3; });
  return credentials;
}

GitCredentials GitCredentials::with_app_token(const std::string& token) const {
  auto with_token = *this;
  const auto login = base64_encode("x-access-token:" + token);
  with_token.authorization_ = "Basic " + login;
  with_token.secrets_.insert(with_token.secrets_.end(), {token, login});
  return with_token;
}

std::string GitCredentials::fingerprint() const {
  std::string text;
  const auto who = app_ ? app_->fingerprint() : authorization_;
  for (const auto* part : {&who, &tls_.ca_pem, &tls_.client_cert_pem, &tls_.client_key_pem,
                           &identity_, &known_hosts_, &passphrase_})
    text += std::to_string(part->size()) + ":" + *part;
  return text;
}

std::string GitCredentials::without_secrets(std::string text) const {
  for (const auto& secret : secrets_)
    for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at + 3))
      text.replace(at, secret.size(), "***");
  return text;
}

}  // namespace kiln::source
