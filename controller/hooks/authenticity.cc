#include "controller/hooks/authenticity.h"

#include <charconv>
#include <string>
#include <string_view>

#include "core/base/ascii.h"
#include "core/base/encoding.h"

namespace kiln::hooks {
namespace {

using http::ServerRequest;

/// "" also where there are several.
std::string_view only(const http::Headers& headers, std::string_view name) {
  const auto all = headers.all(name);
  return all.size() == 1 ? all[0] : std::string_view();
}

std::string_view after(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string_view();
}

std::string hex_hmac(std::string_view token, std::string_view text) {
  return to_hex(hmac_sha256(token, text));
}

bool is_signed(std::string_view given, const std::string& token, std::string_view text) {
  return !given.empty() && equal_secrets(given, hex_hmac(token, text));
}

/// Seconds since 1970, perhaps with a fraction, which makes deliveries of one second differ.
bool is_recent(std::string_view text, WallTime now) {
  std::int64_t seconds = 0;
  const auto whole = text.substr(0, text.find('.'));
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if (error != std::errc() || end != whole.data() + whole.size()) return false;
  const auto ours = now.time_since_epoch().count();
  return seconds >= ours - kClockSkew.count() && seconds <= ours + kClockSkew.count();
}

std::string generic_text(const ServerRequest& request) {
  return std::string(only(request.headers, "X-Timestamp")) + "." + request.body;
}

bool is_generic(const ServerRequest& request, const std::string& token, WallTime now) {
  return is_signed(after(only(request.headers, "X-Signature"), "sha256="), token,
                   generic_text(request)) &&
         is_recent(only(request.headers, "X-Timestamp"), now);
}

std::string standard_text(const ServerRequest& request) {
  return std::string(only(request.headers, "webhook-id")) + "." +
         std::string(only(request.headers, "webhook-timestamp")) + "." + request.body;
}

/// Source: Standard Webhooks, "Signature scheme": several signatures with a blank between; a key
/// that begins with "whsec_" is base64.
bool is_standard(std::string_view signatures, const ServerRequest& request,
                 const std::string& token, WallTime now) {
  std::string key = token;
  if (const auto encoded = after(token, "whsec_"); !encoded.empty())
    if (auto decoded = base64_decode(encoded); decoded) key = std::move(*decoded);
  const auto sum = hmac_sha256(key, standard_text(request));
  const auto right =
      base64_encode(std::string_view(reinterpret_cast<const char*>(sum.data()), sum.size()));
  bool found = false;
  while (!signatures.empty()) {
    const auto one = signatures.substr(0, signatures.find(' '));
    signatures.remove_prefix(std::min(signatures.size(), one.size() + 1));
    const auto given = after(one, "v1,");
    if (!given.empty() && equal_secrets(given, right)) found = true;
  }
  return found && is_recent(only(request.headers, "webhook-timestamp"), now);
}

bool is_gitlab(const ServerRequest& request, const std::string& token, WallTime now) {
  const auto signatures = only(request.headers, "webhook-signature");
  if (!signatures.empty()) return is_standard(signatures, request, token, now);
  const auto given = only(request.headers, "X-Gitlab-Token");
  return !given.empty() && equal_secrets(given, token);
}

bool is_gitea(const ServerRequest& request, const std::string& token) {
  auto given = only(request.headers, "X-Gitea-Signature");
  if (given.empty()) given = only(request.headers, "X-Forgejo-Signature");
  return is_signed(given, token, request.body);
}

bool has_scheme(std::string_view field, std::string_view scheme) {
  return field.size() > scheme.size() && field[scheme.size()] == ' ' &&
         equal_in_any_case(field.substr(0, scheme.size()), scheme);
}

/// What an Authorization field says the token is.
std::string authorization_token(std::string_view field) {
  if (has_scheme(field, "bearer")) return std::string(field.substr(7));
  if (!has_scheme(field, "basic")) return std::string(field);
  const auto pair = base64_decode(field.substr(6));
  const auto colon = pair ? pair->find(':') : std::string::npos;
  return colon == std::string::npos ? "" : pair->substr(colon + 1);
}

bool is_registry(const Endpoint& endpoint, const ServerRequest& request, const std::string& token) {
  if (!endpoint.proof.empty()) return equal_secrets(endpoint.proof, proof_of(endpoint.kind, token));
  const auto given = authorization_token(only(request.headers, "Authorization"));
  return !given.empty() && equal_secrets(given, token);
}

bool knows(const std::string& token, const Endpoint& endpoint, const ServerRequest& request,
           WallTime now) {
  const auto& headers = request.headers;
  switch (endpoint.kind) {
    case Kind::kGitHub:
      return is_signed(after(only(headers, "X-Hub-Signature-256"), "sha256="), token, request.body);
    case Kind::kBitbucket:
      return is_signed(after(only(headers, "X-Hub-Signature"), "sha256="), token, request.body);
    case Kind::kGitLab:
      return is_gitlab(request, token, now);
    case Kind::kGitea:
      return is_gitea(request, token);
    case Kind::kGeneric:
      return is_generic(request, token, now);
    case Kind::kDistribution:
    case Kind::kHarbor:
    case Kind::kQuay:
      break;
  }
  return is_registry(endpoint, request, token);
}

/// The same for each attempt to deliver one event. The last name, which older versions alone have,
/// is shared by events that caused each other; their bodies differ.
std::string gitlab_id(const http::Headers& headers) {
  auto id = only(headers, "Idempotency-Key");
  if (id.empty()) id = only(headers, "webhook-id");
  if (id.empty()) id = only(headers, "X-Gitlab-Event-UUID");
  return std::string(id);
}

}  // namespace

std::string proof_of(Kind kind, std::string_view token) {
  return hex_hmac(token, name_of(kind));
}

bool is_authentic(const Endpoint& endpoint, const ServerRequest& request, const Tokens& tokens,
                  WallTime now) {
  const bool takes_proof = endpoint.kind == Kind::kDistribution || endpoint.kind == Kind::kHarbor ||
                           endpoint.kind == Kind::kQuay;
  if (!endpoint.proof.empty() && !takes_proof) return false;
  bool authentic = false;
  for (const auto& token : tokens.all())
    if (knows(token, endpoint, request, now)) authentic = true;
  return authentic;
}

std::optional<Sha256Sum> delivery_id(Kind kind, const ServerRequest& request) {
  auto text = std::string(name_of(kind)) + "\n";
  if (kind == Kind::kQuay) return std::nullopt;  // Two pushes of one tag have the same body.
  if (kind == Kind::kGitLab) {
    const auto id = gitlab_id(request.headers);
    if (id.empty()) return std::nullopt;
    text += id + "\n";
  }
  text += kind == Kind::kGeneric ? generic_text(request) : request.body;
  return sha256(text);
}

}  // namespace kiln::hooks
