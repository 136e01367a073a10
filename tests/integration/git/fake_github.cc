#include "tests/integration/git/fake_github.h"

#include <chrono>

#include "core/base/encoding.h"
#include "core/base/json.h"
#include "core/base/time_text.h"
#include "core/http/message.h"
#include "tests/support/json_web_token.h"

namespace kiln::source {
namespace {

using std::chrono::seconds;

WallTime now() {
  return std::chrono::floor<seconds>(std::chrono::system_clock::now());
}

std::string field(const http::Peer::Request& request, const std::string& name) {
  const auto at = request.head.find("\r\n" + name + ": ");
  if (at == request.head.npos) return "";
  const auto start = at + name.size() + 4;
  return request.head.substr(start, request.head.find("\r\n", start) - start);
}

std::string message(const std::string& text) {
  return dump_json({{"message", text}});
}

}  // namespace

FakeGitHub::FakeGitHub(std::string public_key_pem, std::optional<http::ServerTls> tls)
    : public_key_pem_(std::move(public_key_pem)),
      api_(
          [this](http::Peer& peer) {
            while (const auto request = peer.read()) answer(peer, *request);
          },
          std::move(tls)),
      check_([this](http::Peer& peer) {
        while (const auto request = peer.read()) answer_check(peer, *request);
      }) {}

/// As GitHub says it; "" = it is the App.
std::string FakeGitHub::refusal_of(const std::string& authorization) const {
  if (!authorization.starts_with("Bearer ")) return "A JSON web token could not be decoded";
  const auto claims = testing::claims_of(authorization.substr(7), public_key_pem_);
  if (!claims) return "A JSON web token could not be decoded";
  const auto time = now().time_since_epoch().count();
  if (claims->value("iss", "") != "123") return "Integration not found";
  if (claims->value("iat", time + 1) > time) return "'Issued at' claim ('iat') must be in the past";
  const auto ends = claims->value("exp", time);
  if (ends <= time) return "'Expiration time' claim ('exp') must be in the future";
  if (ends > time + 600) return "'Expiration time' claim ('exp') is too far in the future";
  return "";
}

std::string FakeGitHub::new_token() {
  tokens_.push_back("ghs_token" + std::to_string(tokens_.size()));
  good_.insert(tokens_.back());
  return dump_json(
      {{"token", tokens_.back()}, {"expires_at", format_rfc3339(now() + std::chrono::hours(1))}});
}

void FakeGitHub::answer(http::Peer& peer, const http::Peer::Request& request) {
  const std::lock_guard lock(mutex_);
  const auto line = request.head.substr(0, request.head.find(" HTTP/"));
  requests_.push_back(line);
  const auto date = "Date: " + http::format_http_date(now()) + "\r\n";
  if (!redirect_.empty())
    return peer.answer("", "307 Temporary", "Location: " + redirect_ + "\r\n");
  if (const auto why = refusal_of(field(request, "Authorization")); !why.empty())
    return peer.answer(message(why), "401 Unauthorized", date);
  if (line == "GET /api/v3/orgs/team/installation") return peer.answer(R"({"id": 456})");
  if (line == "GET /api/v3/users/me/installation") return peer.answer(R"({"id": 457})");
  if (line == "POST /api/v3/app/installations/456/access_tokens" ||
      line == "POST /api/v3/app/installations/457/access_tokens")
    return peer.answer(new_token(), "201 Created", date);
  peer.answer(message("Not Found"), "404 Not Found", date);
}

void FakeGitHub::answer_check(http::Peer& peer, const http::Peer::Request& request) {
  const auto authorization = field(request, "Authorization");
  const std::lock_guard lock(mutex_);
  for (const auto& token : good_)
    if (authorization == "Basic " + base64_encode("x-access-token:" + token))
      return peer.answer("");
  peer.answer("", "401 Unauthorized", "WWW-Authenticate: Basic realm=\"git\"\r\n");
}

std::vector<std::string> FakeGitHub::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

std::vector<std::string> FakeGitHub::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeGitHub::revoke_tokens() {
  const std::lock_guard lock(mutex_);
  good_.clear();
}

void FakeGitHub::redirect_to(std::string url) {
  const std::lock_guard lock(mutex_);
  redirect_ = std::move(url);
}

}  // namespace kiln::source
