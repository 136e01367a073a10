#include "core/source/github_app.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/base/deadline.h"
#include "core/base/encoding.h"
#include "core/base/json.h"
#include "core/base/redact.h"
#include "core/base/sha256.h"
#include "core/base/time_text.h"

namespace kiln::source {
namespace {

using std::chrono::seconds;

constexpr std::string_view kPrefix = "githubApp";
constexpr seconds kBackdated{60};   // For clocks that differ.
constexpr seconds kProofLife{480};  // GitHub takes ten minutes by its own clock.
constexpr seconds kLimit{30};
constexpr seconds kEarlier{300};  // A fetch under way ends with the token that it began with.
constexpr seconds kSkewToTell{60};
constexpr std::uint64_t kMaxAnswerBytes = 1 << 20;
constexpr std::size_t kMaxKept = 1024;
constexpr std::size_t kMaxNameBytes = 100;

std::string value_of(const GitHubApp::Keys& keys, const std::string& key) {
  const auto found = keys.find(key);
  if (found == keys.end()) return {};
  auto value = found->second;
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
  return value;
}

Error bad(std::string_view key, std::string_view what) {
  return {Errc::kInvalid, std::string(key) + " " + std::string(what)};
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 20 && text.find_first_not_of("0123456789") == text.npos;
}

bool is_login(std::string_view text) {
  return text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

/// What a header field can hold and git's settings, too.
bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= 4096 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

/// Differing clocks are the usual reason why a proof is not taken, and GitHub's words do not say
/// whose clock is wrong.
std::string about_clocks(const http::Headers& headers, WallTime now) {
  const auto theirs = http::parse_http_date(std::string(headers.get("Date")));
  if (!theirs) return "";
  const auto skew = now - *theirs;
  if (skew > -kSkewToTell && skew < kSkewToTell) return "";
  return "; this machine's clock is " + format_duration(skew < seconds(0) ? -skew : skew) +
         (skew < seconds(0) ? " behind" : " ahead of") + " the server's: set it right";
}

std::string words_of(const http::Response& response) {
  const auto answer = parse_json(response.body);
  const auto words = answer ? sanitize_server_text(json_string(*answer, "message"), 200) : "";
  return " (" + (words.empty() ? "" : words + ", ") + std::to_string(response.status()) + ")";
}

bool is_too_often(const http::Response& response) {
  return response.status() == 429 ||
         (response.status() == 403 && (response.headers().get("X-RateLimit-Remaining") == "0" ||
                                       response.headers().has("Retry-After")));
}

/// What an answer that is none of those hoped for means.
Error refusal(const GitHubApp& app, const http::Response& response, WallTime now) {
  const auto who = "the GitHub App " + app.id();
  const auto where = app.api("").host_port();
  const auto words = words_of(response);
  const int status = response.status();
  if (status == 401)
    return {Errc::kUnauthorized, where + " does not take the key of " + who +
                                     ": githubAppPrivateKey is none of its keys (any more), or "
                                     "githubAppID is not its App's" +
                                     words + about_clocks(response.headers(), now)};
  if (is_too_often(response))
    return {Errc::kRateLimited, where + " says that it is asked too often" + words,
            http::retry_after(response.headers(), now)};
  if (status == 403) return {Errc::kDenied, where + " forbids it to " + who + words};
  if (status >= 300 && status < 400)
    return {Errc::kInvalid, where +
                                " redirects to another address, which is not followed: write "
                                "that address as githubAppBaseURL" +
                                words};
  if (status >= 400 && status < 500 && status != 408)
    return {Errc::kUnauthorized, where + " gives " + who + " no token" + words};
  return {Errc::kUnavailable, where + " gives no token" + words};
}

Error not_installed(const GitHubApp& app) {
  const auto which = app.owner().empty()
                         ? "no installation " + app.installation() +
                               ": correct githubAppInstallationID, or install it again"
                         : "no installation at " + app.owner() +
                               ": install it there, or correct githubAppInstallationOwner";
  return {Errc::kUnauthorized, "the GitHub App " + app.id() + " has " + which};
}

}  // namespace

bool GitHubApp::is_in(const Keys& keys) {
  return std::any_of(keys.begin(), keys.end(),
                     [](const auto& one) { return one.first.starts_with(kPrefix); });
}

/// A token is as good as a password, so it must not go to a server that is not known to be the
/// App's own GitHub.
Result<http::Url> GitHubApp::base_url(const std::string& text, const GitUrl& url) {
  if (text.empty() && url.host() != "github.com" && url.host() != "www.github.com")
    return bad("githubAppBaseURL",
               "is missing, and url is not on github.com: write the address of its API, https://" +
                   url.host_port() + "/api/v3 for a GitHub Enterprise Server");
  auto base = http::Url::parse(text.empty() ? "https://api.github.com" : text);
  if (!base) return std::move(base).error().while_doing("githubAppBaseURL");
  if (!base->query().empty()) return bad("githubAppBaseURL", "must not have a query");
  return base;
}

Result<std::shared_ptr<const GitHubApp>> GitHubApp::parse(const Keys& keys, const GitUrl& url,
                                                          const http::TlsOptions& tls) {
  const auto id = value_of(keys, "githubAppID");
  const auto installation = value_of(keys, "githubAppInstallationID");
  const auto owner = value_of(keys, "githubAppInstallationOwner");
  const auto pem = value_of(keys, "githubAppPrivateKey");
  if (id.empty()) return bad("githubAppID", "is missing: it stands on the App's page");
  if (!is_number(id)) return bad("githubAppID", "is no number: take the App ID, not its name");
  if (pem.empty()) return bad("githubAppPrivateKey", "is missing: the App's page makes one");
  if (installation.empty() && owner.empty())
    return bad("githubAppInstallationID",
               "is missing: write it, or in githubAppInstallationOwner the organization or user "
               "that the App is installed at");
  if (!installation.empty() && !owner.empty())
    return bad("githubAppInstallationID", "and githubAppInstallationOwner: write one of them");
  if (!installation.empty() && !is_number(installation))
    return bad("githubAppInstallationID",
               "is no number: it is the end of the address of the installation's page");
  if (!is_login(owner))
    return bad("githubAppInstallationOwner", "is no name of an organization or user");
  auto key = RsaKey::parse(pem);
  if (!key) return bad("githubAppPrivateKey", key.error().message);
  auto base = base_url(value_of(keys, "githubAppBaseURL"), url);
  if (!base) return std::move(base).error();

  auto app = std::shared_ptr<GitHubApp>(new GitHubApp(std::move(*base), std::move(*key)));
  app->id_ = id;
  app->installation_ = installation;
  app->owner_ = owner;
  app->key_pem_ = pem;
  auto own = std::make_shared<http::TlsOptions>(tls);
  // A certificate of one's own is for the repository's server.
  if (app->base_.host() != url.host()) own->client_cert_pem = own->client_key_pem = "";
  app->tls_ = std::move(own);
  return std::shared_ptr<const GitHubApp>(std::move(app));
}

http::Url GitHubApp::api(const std::string& path) const {
  auto base = base_.path();
  while (base.ends_with('/')) base.pop_back();
  return base_.with_path(base + path);
}

Result<std::string> GitHubApp::proof(WallTime now) const {
  const auto issued = (now - kBackdated).time_since_epoch().count();
  const auto ends = (now + kProofLife).time_since_epoch().count();
  const Json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  const Json claims = {{"iat", issued}, {"exp", ends}, {"iss", id_}};
  const auto text = base64url_encode(dump_json(header)) + "." + base64url_encode(dump_json(claims));
  const auto signature = key_.sign(text);
  if (!signature) return Error(signature.error()).while_doing("githubAppPrivateKey");
  return text + "." + base64url_encode(*signature);
}

std::string GitHubApp::fingerprint() const {
  std::string text;
  const auto base = base_.str();
  for (const auto* part : {&id_, &installation_, &owner_, &base, &key_pem_, &tls_->ca_pem})
    text += std::to_string(part->size()) + ":" + *part;
  return text;
}

Task<Result<http::Response>> GitHubTokens::send(std::shared_ptr<const GitHubApp> app,
                                                std::string method, std::string path) {
  auto proof = app->proof(clock_.now());
  if (!proof) co_return std::move(proof).error();
  http::Request request(std::move(method), app->api(path));
  request.headers.set("Authorization", "Bearer " + *proof);
  request.headers.set("Accept", "application/vnd.github+json");
  request.headers.set("X-GitHub-Api-Version", "2022-11-28");
  request.tls = app->tls();
  request.response_limit_bytes = kMaxAnswerBytes;
  request.replayable = true;  // One token too many does no harm.
  co_return co_await http_.send(std::move(request));
}

/// A name does not tell whether it is an organization's or a user's.
Task<Result<std::string>> GitHubTokens::find_installation(std::shared_ptr<const GitHubApp> app) {
  constexpr std::array<const char*, 2> kKinds = {"/orgs/", "/users/"};
  for (const auto* kind : kKinds) {
    auto path = kind + app->owner() + "/installation";
    auto response = co_await send(app, std::string("GET"), std::move(path));
    if (!response) co_return std::move(response).error();
    if (response->status() == 404) continue;
    if (response->status() != 200) co_return refusal(*app, *response, clock_.now());
    const auto answer = parse_json(response->body);
    const auto& id = answer ? json_at(*answer, "id") : Json();
    if (!id.is_number_unsigned())
      co_return Error(Errc::kUnavailable, app->api("").host_port() +
                                              " answered with something that is no installation");
    co_return std::to_string(id.get<std::uint64_t>());
  }
  co_return not_installed(*app);
}

Task<Result<GitHubTokens::Kept>> GitHubTokens::ask(std::shared_ptr<const GitHubApp> app) {
  auto installation = app->installation();
  if (installation.empty()) {
    auto found = co_await find_installation(app);
    if (!found) co_return std::move(found).error();
    installation = std::move(*found);
  }
  const auto sent = clock_.steady_now();
  auto path = "/app/installations/" + installation + "/access_tokens";
  auto response = co_await send(app, std::string("POST"), std::move(path));
  if (!response) co_return std::move(response).error();
  if (response->status() == 404) co_return not_installed(*app);
  if (response->status() != 201) co_return refusal(*app, *response, clock_.now());
  const auto answer = parse_json(response->body);
  Kept kept;
  if (answer) kept.token = json_string(*answer, "token");
  if (!is_token(kept.token))
    co_return Error(Errc::kUnavailable,
                    app->api("").host_port() + " answered with something that is no token");
  // By the server's own clock, if it says what that is.
  const auto date = http::parse_http_date(std::string(response->headers().get("Date")));
  const auto ends = parse_rfc3339(json_string(*answer, "expires_at"));
  kept.end = sent;
  if (ends) kept.end += *ends - date.value_or(clock_.now()) - kEarlier;
  co_return kept;
}

Task<Result<std::string>> GitHubTokens::token(std::shared_ptr<const GitHubApp> app) {
  const auto key = sha256_hex(app->fingerprint());
  std::erase_if(kept_, [&](const auto& one) { return one.second.end <= clock_.steady_now(); });
  if (const auto found = kept_.find(key); found != kept_.end()) co_return found->second.token;
  auto limited =
      with_deadline(ask(app), kLimit, "asking for a token of the GitHub App " + app->id());
  auto kept = co_await std::move(limited);
  if (!kept) co_return std::move(kept).error();
  auto token = kept->token;
  if (kept_.size() < kMaxKept) kept_.insert_or_assign(key, std::move(*kept));
  co_return token;
}

void GitHubTokens::forget(const GitHubApp& app) {
  kept_.erase(sha256_hex(app.fingerprint()));
}

}  // namespace kiln::source
