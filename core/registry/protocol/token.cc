#include "core/registry/protocol/token.h"

#include <algorithm>

#include "core/base/encoding.h"
#include "core/base/json.h"

namespace kiln::registry::protocol {
namespace {

using std::chrono::seconds;
constexpr seconds kShortestLife{60};  // Also what a missing expires_in means.
constexpr seconds kLongestLife{24 * 60 * 60};

http::Request to_realm(std::string method, const Realm& realm, http::Url url) {
  http::Request request(std::move(method), std::move(url));
  request.named_by = realm.named_by;
  request.response_limit_bytes = kMaxTokenBytes;
  request.headers.set("Accept", "application/json");
  return request;
}

bool is_header_safe(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Result<Realm> judge_realm(const Challenge& challenge, const http::ResponseHead& answer) {
  auto url = answer.url.resolve(challenge.get("realm"));
  if (!url)
    return Error(Errc::kInvalid,
                 answer.url.host_port() + " names a token server whose address is not a URL");
  const bool same_host = url->host() == answer.url.host();
  if (!url->is_https() && answer.url.is_https())
    return Error(Errc::kEgressDenied, answer.url.host_port() +
                                          " names a token server without TLS, " + url->redacted() +
                                          ", and is not spoken to");
  Realm realm(*std::move(url));
  realm.service = challenge.get("service");
  realm.same_host = same_host;
  realm.may_see_credentials = realm.url.is_https() || same_host;
  if (realm.url.origin() != answer.url.origin()) realm.named_by = answer.peer;
  return realm;
}

std::string basic_authorization(std::string_view username, std::string_view password) {
  return "Basic " + base64_encode(std::string(username) + ":" + std::string(password));
}

http::Request token_get(const Realm& realm, const Scopes& scopes, std::string_view username,
                        std::string_view secret) {
  auto url = realm.url;
  if (!realm.service.empty()) url = url.with_query("service", realm.service);
  for (const auto& scope : scopes.list()) url = url.with_query("scope", scope);
  if (!username.empty()) url = url.with_query("account", username);
  auto request = to_realm("GET", realm, std::move(url));
  if (!username.empty() || !secret.empty())
    request.headers.set("Authorization",
                        basic_authorization(username.empty() ? "<token>" : username, secret));
  return request;
}

http::Request token_post(const Realm& realm, const Scopes& scopes,
                         std::string_view identity_token) {
  auto request = to_realm("POST", realm, realm.url);
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.body = http::Body(
      "grant_type=refresh_token&client_id=kiln&service=" + percent_encode(realm.service) +
      "&scope=" + percent_encode(scopes.joined()) +
      "&refresh_token=" + percent_encode(identity_token));
  return request;
}

Result<Token> parse_token(std::string_view body) {
  const auto bad = [](std::string_view why) {
    return Error(Errc::kUnavailable, "the token server's answer " + std::string(why));
  };
  if (body.size() > kMaxTokenBytes) return bad("is larger than 64 KiB");
  const auto json = parse_json(body);
  if (!json || !json->is_object()) return bad("is not a JSON object");
  auto value = json_string(*json, "token");
  if (value.empty()) value = json_string(*json, "access_token");
  if (value.empty()) return bad("has no token");
  if (!is_header_safe(value)) return bad("has a token that no header may carry");

  auto lifetime = kShortestLife;
  if (const auto& expires = json_at(*json, "expires_in"); expires.is_number()) {
    const auto wanted = expires.get<double>();
    if (wanted > static_cast<double>(kLongestLife.count()))
      lifetime = kLongestLife;
    else if (wanted > static_cast<double>(kShortestLife.count()))
      lifetime = seconds(static_cast<std::int64_t>(wanted));
  }
  return Token{std::move(value), lifetime};
}

}  // namespace kiln::registry::protocol
