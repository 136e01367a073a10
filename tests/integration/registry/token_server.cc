#include "tests/integration/registry/token_server.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "core/base/encoding.h"

namespace kiln::registry {
namespace {

std::string base64url(const std::string& bytes) {
  auto text = base64_encode(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

/// RSA with SHA-256 (RS256 of RFC 7518).
std::string rsa_sign(const std::string& key_pem, const std::string& text) {
  BIO* bio = BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::string signature(1024, '\0');
  std::size_t size = signature.size();
  EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key);
  EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                 reinterpret_cast<const unsigned char*>(text.data()), text.size());
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(bio);
  signature.resize(size);
  return signature;
}

std::string percent_decode(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// All values of `name` in the request line's query.
std::vector<std::string> query_values(const std::string& head, const std::string& name) {
  const auto line = head.substr(0, head.find(" HTTP/"));
  std::vector<std::string> values;
  for (auto at = line.find(name + "="); at != line.npos; at = line.find(name + "=", at + 1)) {
    const auto start = at + name.size() + 1;
    values.push_back(percent_decode(line.substr(start, line.find('&', start) - start)));
  }
  return values;
}

/// {"type": …, "name": …, "actions": […]} of "repository:shop:push,pull".
std::string access_json(const std::string& scope, bool pull_only) {
  const auto first = scope.find(':');
  const auto last = scope.rfind(':');
  std::string actions;
  for (const auto action : {"pull", "push", "delete"})
    if (scope.find(action, last) != scope.npos && (!pull_only || action == std::string("pull")))
      actions += std::string(actions.empty() ? "" : ",") + "\"" + action + "\"";
  return R"({"type":")" + scope.substr(0, first) + R"(","name":")" +
         scope.substr(first + 1, last - first - 1) + R"(","actions":[)" + actions + "]}";
}

}  // namespace

std::unique_ptr<TokenServer> TokenServer::create() {
  auto folder = TempDir::create("kiln-token-server-");
  const auto path = folder.value().path().string();
  const auto command =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=kiln-test -keyout " + path +
      "/key.pem -out " + path + "/cert.pem >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) return nullptr;  // NOLINT(cert-env33-c): a fixed command.
  return std::unique_ptr<TokenServer>(new TokenServer(std::move(folder.value())));
}

TokenServer::TokenServer(TempDir folder)
    : folder_(std::move(folder)),
      key_pem_(read_file(folder_.path() / "key.pem", 1 << 16).value()),
      server_(std::make_unique<http::ScriptedServer>([this](http::Peer& peer) { serve(peer); })) {
  // The certificate in base64 is what stands between the lines of its PEM form.
  auto pem = read_file(folder_.path() / "cert.pem", 1 << 16).value();
  const auto start = pem.find('\n') + 1;
  cert_base64_ = pem.substr(start, pem.find("-----END") - start);
  std::erase(cert_base64_, '\n');
}

std::string TokenServer::registry_auth() const {
  return R"({"token": {"realm": ")" + server_->url("/token").str() +
         R"(", "service": "kiln-test", "issuer": "kiln-test-issuer", "rootcertbundle": ")" +
         (folder_.path() / "cert.pem").string() + "\"}}";
}

void TokenServer::serve(http::Peer& peer) {
  const auto me = "Basic " + base64_encode("me:secret");
  while (const auto request = peer.read()) {
    const bool known = request->has(me);
    if (!known && request->has("Authorization: ")) {
      peer.answer(R"({"details":"incorrect username or password"})", "401 Unauthorized");
      continue;
    }
    std::string access;
    for (const auto& scope : query_values(request->head, "scope"))
      if (known || scope.starts_with("repository:public/"))
        access += (access.empty() ? "" : ",") + access_json(scope, !known);
    ++tokens_given_;
    peer.answer(R"({"token":")" + sign("[" + access + "]") + R"(","expires_in":300})");
  }
}

std::string TokenServer::sign(const std::string& scopes_json) const {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const auto header = R"({"typ":"JWT","alg":"RS256","x5c":[")" + cert_base64_ + "\"]}";
  const auto claims = R"({"iss":"kiln-test-issuer","sub":"me","aud":"kiln-test","exp":)" +
                      std::to_string(now + 300) + R"(,"nbf":)" + std::to_string(now - 10) +
                      R"(,"iat":)" + std::to_string(now) + R"(,"jti":"1","access":)" + scopes_json +
                      "}";
  const auto text = base64url(header) + "." + base64url(claims);
  return text + "." + base64url(rsa_sign(key_pem_, text));
}

}  // namespace kiln::registry
