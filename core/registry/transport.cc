#include "core/registry/transport.h"

#include <algorithm>
#include <array>

#include "core/base/sha256.h"
#include "core/registry/gate.h"
#include "core/registry/protocol/challenge.h"
#include "core/registry/protocol/endpoint.h"
#include "core/registry/protocol/error_body.h"
#include "core/registry/protocol/token.h"

namespace kiln::registry {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

constexpr std::size_t kMaxSessions = 1024;
constexpr std::size_t kMaxTokens = 256;  // Of one session.
constexpr std::size_t kMaxErrorBytes = 64 * 1024;
constexpr std::chrono::minutes kRefusalHolds{5};
// Less than one answer may take, more than a few attempts to connect do.
constexpr std::chrono::seconds kPatience{45};

struct CachedToken {
  protocol::Scopes scopes;
  std::string value;
  TimePoint refresh_at;
};

}  // namespace

/// One registry as one user sees it.
struct Transport::Session {
  explicit Session(std::vector<protocol::Endpoint> e) : endpoints(std::move(e)) {}

  const protocol::Endpoint& endpoint() const { return endpoints[endpoint_index]; }
  auth::Credential credential{};
  std::vector<protocol::Endpoint> endpoints;
  std::size_t endpoint_index = 0;
  bool endpoint_known = false;

  bool asks_for_basic = false;
  std::optional<protocol::Realm> realm{};  // Set: asks for bearer tokens from there.
  std::vector<CachedToken> tokens{};
  Gate token_gate{1};  // One question to the token server at a time; the others find its answer.
  std::map<std::string, TimePoint> refused{};  // By repository path, until when.
};

/// What is sent as Authorization.
struct Transport::Ticket {
  Ticket() = default;
  explicit Ticket(std::string a) : authorization(std::move(a)) {}
  std::string authorization{};
};

namespace {

std::string subject_of(const oci::Repository& repository) {
  return repository.path.empty() ? repository.registry : repository.str();
}

Error refused(const oci::Repository& repository, bool anonymous, const std::string& words) {
  auto message = repository.registry + (anonymous ? " asks for credentials and none were given"
                                                  : " refused the credentials");
  if (!repository.path.empty()) message += " (" + repository.path + ")";
  if (!words.empty()) message += ": " + words;
  return {Errc::kUnauthorized, std::move(message)};
}

/// Registries may repeat in their answers what they were given.
void mask(std::string& text, std::string_view secret) {
  constexpr std::size_t kShortest = 4;  // Less than that is found in any text.
  if (secret.size() < kShortest) return;
  for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at + 3))
    text.replace(at, secret.size(), "***");
}

void mask_secrets(std::string& text, const auth::Credential& credential,
                  std::string_view authorization) {
  mask(text, authorization.substr(authorization.find(' ') + 1));  // npos + 1 == 0
  for (const auto* secret :
       {&credential.password, &credential.identity_token, &credential.registry_token})
    mask(text, *secret);
}

/// A 401, or a 403 that another credential may cure.
bool may_try_another(const Result<Answer>& result) {
  if (result.has_error()) return result.error().code == Errc::kUnauthorized;
  return result->status() == 403;
}

}  // namespace

Transport::Transport(http::Client& http, const Clock& clock, http::RetryPolicy policy)
    : http_(http), clock_(clock), policy_(std::move(policy)) {
  if (!policy_.patience) policy_.patience = kPatience;
}

Transport::~Transport() = default;

std::string Transport::identity_of(const oci::Repository& repository, const Access& access,
                                   const auth::Credential& credential) {
  const http::TlsOptions none;
  const auto& tls = access.tls ? *access.tls : none;
  const std::array<std::string_view, 10> parts = {
      repository.registry,       credential.username,
      credential.password,       credential.identity_token,
      credential.registry_token, tls.ca_pem,
      tls.client_cert_pem,       tls.client_key_pem,
      tls.server_name,           access.insecure ? "insecure" : ""};
  Sha256 hash;
  for (const auto part : parts) {
    hash.update(std::to_string(part.size()) + ":");
    hash.update(part);
  }
  hash.update(tls.only_ca_pem ? "o" : "-");
  hash.update(tls.insecure_skip_verify ? "s" : "-");
  hash.update(access.tls ? "t" : "-");
  return hash.finish_hex();
}

Task<Result<Answer>> Transport::send(Call call) {
  return with_any_credential(std::move(call), false);
}

Task<Result<Answer>> Transport::open(Call call) {
  return with_any_credential(std::move(call), true);
}

Result<std::shared_ptr<Transport::Session>> Transport::session_for(
    const Call& call, const auth::Credential& credential) {
  const auto key = identity_of(call.repository, call.access, credential);
  if (const auto it = sessions_.find(key); it != sessions_.end()) return it->second;
  auto endpoints =
      protocol::endpoints_of(call.repository.registry, call.access.tls, call.access.insecure);
  if (!endpoints) return endpoints.error();
  if (sessions_.size() >= kMaxSessions)
    sessions_.clear();  // Those in use live on with their users.
  auto session = std::make_shared<Session>(*std::move(endpoints));
  session->credential = credential;
  sessions_.emplace(key, session);
  return session;
}

Task<Result<Answer>> Transport::with_any_credential(Call call, bool streaming) {
  std::vector<auth::Credential> credentials;
  if (call.access.keychain) credentials = call.access.keychain->find(call.repository);
  if (credentials.empty()) credentials.emplace_back();

  std::vector<std::shared_ptr<Session>> sessions;
  for (const auto& credential : credentials) {
    auto session = session_for(call, credential);
    if (!session) co_return session.error();
    sessions.push_back(*std::move(session));
  }
  const auto now = clock_.steady_now();
  const auto& path = call.repository.path;
  std::stable_partition(sessions.begin(), sessions.end(), [&](const auto& session) {
    const auto it = session->refused.find(path);
    return it == session->refused.end() || it->second <= now;
  });

  const auto shared = std::make_shared<const Call>(std::move(call));
  for (std::size_t i = 0;; ++i) {
    auto result = co_await with_session(shared, sessions[i], streaming);
    auto& refusals = sessions[i]->refused;
    if (!may_try_another(result)) {
      refusals.erase(shared->repository.path);
      co_return result;
    }
    if (refusals.size() >= kMaxTokens) refusals.clear();
    refusals[shared->repository.path] = clock_.steady_now() + kRefusalHolds;
    if (i + 1 == sessions.size()) co_return result;
  }
}

Task<Result<Answer>> Transport::with_session(std::shared_ptr<const Call> call,
                                             std::shared_ptr<Session> session, bool streaming) {
  auto scopes = call->scopes;
  std::string words;
  for (int round = 0; round < 2; ++round) {
    const bool for_registry =
        !call->prepared || call->prepared->url.origin() == session->endpoint().base.origin();
    Ticket ticket;
    if (for_registry) {
      auto made = co_await ticket_for(session, call->repository, scopes);
      if (!made) co_return made.error();
      ticket = *std::move(made);
    }
    auto answer = co_await deliver(call, session, ticket.authorization, streaming);
    if (!answer) co_return std::move(answer).error().while_doing(subject_of(call->repository));
    heed(*call, *session, ticket, *answer);
    if (answer->status() != 401) {
      answer->authorized = !ticket.authorization.empty();
      co_return answer;
    }

    words = protocol::parse_error_body(answer->response.body).words;
    // A host that the registry sent us on to gets no answer to its challenge (attack A4).
    const auto& from = answer->response.head.url;
    if (!for_registry || from.origin() != session->endpoint().base.origin())
      co_return Error(Errc::kUnauthorized, subject_of(call->repository) + ": " + from.host_port() +
                                               ", where the registry keeps this, answered 401");
    const auto challenges = protocol::parse_challenges(answer->headers().all("WWW-Authenticate"));
    const auto* challenge = protocol::choose(challenges);
    if (!challenge) break;
    // What was just refused is not sent again.
    std::erase_if(session->tokens, [&](const CachedToken& token) {
      return "Bearer " + token.value == ticket.authorization;
    });
    if (challenge->scheme == "basic") {
      if (ticket.authorization.starts_with("Basic ") || session->credential.username.empty()) break;
      session->asks_for_basic = true;
      session->realm.reset();
    } else {
      if (!session->credential.registry_token.empty()) break;
      auto realm = protocol::judge_realm(*challenge, answer->response.head);
      if (!realm) co_return realm.error();
      session->realm = *std::move(realm);
      session->asks_for_basic = false;
      scopes.add_challenge(challenge->get("scope"));
    }
  }
  co_return refused(call->repository, session->credential.anonymous(), words);
}

/// What an answer says besides: limits and warnings for the listener, and no secret of ours.
void Transport::heed(const Call& call, const Session& session, const Ticket& ticket,
                     Answer& answer) {
  const auto& head = answer.response.head;
  if (head.status >= 400)
    mask_secrets(answer.response.body, session.credential, ticket.authorization);
  auto* listener = call.access.listener.get();
  if (!listener || head.url.origin() != session.endpoint().base.origin()) return;
  const auto& registry = call.repository.registry;
  if (const auto limit = protocol::parse_rate_limit(head.headers))
    listener->rate_limit(registry, *limit);
  for (auto& words : protocol::parse_warnings(head.headers)) {
    mask_secrets(words, session.credential, ticket.authorization);
    listener->warning(registry, words);
  }
}

Task<Result<Transport::Ticket>> Transport::ticket_for(std::shared_ptr<Session> session,
                                                      oci::Repository repository,
                                                      protocol::Scopes scopes) {
  const auto& credential = session->credential;
  if (!credential.registry_token.empty()) co_return Ticket("Bearer " + credential.registry_token);
  if (session->asks_for_basic)
    co_return Ticket(protocol::basic_authorization(credential.username, credential.password));
  if (!session->realm) co_return Ticket();

  const auto cached = [&]() -> const CachedToken* {
    const auto now = clock_.steady_now();
    for (const auto& token : session->tokens)
      if (token.refresh_at > now && token.scopes.cover(scopes)) return &token;
    return nullptr;
  };
  if (const auto* token = cached()) co_return Ticket("Bearer " + token->value);
  auto permit = co_await session->token_gate.enter();
  if (!permit) co_return permit.error();
  if (const auto* token = cached()) co_return Ticket("Bearer " + token->value);
  auto value = co_await fetch_token(session, repository, scopes);
  if (!value) co_return value.error();
  co_return Ticket("Bearer " + *value);
}

Task<Result<std::string>> Transport::fetch_token(std::shared_ptr<Session> session,
                                                 oci::Repository repository,
                                                 protocol::Scopes scopes) {
  // One token per repository that is worked on; what it may do only grows.
  const auto same_work = [&, resource = scopes.first_resource()](const CachedToken& token) {
    return token.scopes.first_resource() == resource;
  };
  for (const auto& token : session->tokens)
    if (same_work(token)) scopes.add_all(token.scopes);

  const auto asked_at = clock_.steady_now();
  auto response = co_await ask_token_server(session, scopes);
  if (!response)
    co_return std::move(response).error().while_doing("asking for a token for " +
                                                      repository.registry);
  const auto status = response->status();
  if (status >= 400) mask_secrets(response->body, session->credential, "");
  const auto words = protocol::parse_error_body(response->body).words;
  if (status == 401 || status == 403)
    co_return refused(repository, session->credential.anonymous(), words);
  if (status != 200)
    co_return protocol::error_from(
        *response,
        session->realm->url.host_port() + " (token server of " + repository.registry + ")",
        clock_.now());
  auto token = protocol::parse_token(response->body);
  if (!token)
    co_return std::move(token).error().while_doing("asking for a token for " + repository.registry);

  std::erase_if(session->tokens, same_work);
  if (session->tokens.size() >= kMaxTokens) session->tokens.clear();
  const auto refresh_at = asked_at + token->lifetime * 4 / 5;  // At 80 % of its life.
  session->tokens.push_back(CachedToken{std::move(scopes), token->value, refresh_at});
  co_return token->value;
}

Task<Result<http::Response>> Transport::ask_token_server(std::shared_ptr<Session> session,
                                                         protocol::Scopes scopes) {
  const auto realm = *session->realm;
  const auto& credential = session->credential;
  const auto& tls = session->endpoint().tls;
  const auto right_tls = realm.same_host ? tls : protocol::tls_for_another_host(tls);
  if (!credential.anonymous() && !realm.may_see_credentials)
    co_return Error(Errc::kEgressDenied,
                    "its token server " + realm.url.redacted() +
                        " is another host without TLS; credentials are not sent there");

  if (!credential.identity_token.empty()) {
    auto post = protocol::token_post(realm, scopes, credential.identity_token);
    post.tls = right_tls;
    post.replayable = true;
    auto answer = co_await http::send_with_retry(http_, std::move(post), policy_);
    // 404 and 405: a token server that does not know this form.
    if (!answer || (answer->status() != 404 && answer->status() != 405)) co_return answer;
  }
  const auto& secret =
      credential.password.empty() ? credential.identity_token : credential.password;
  auto get = protocol::token_get(realm, scopes, credential.username, secret);
  get.tls = right_tls;
  co_return co_await http::send_with_retry(http_, std::move(get), policy_);
}

Task<Result<Answer>> Transport::deliver(std::shared_ptr<const Call> call,
                                        std::shared_ptr<Session> session, std::string authorization,
                                        bool streaming) {
  auto policy = policy_;
  if (!call->retried || call->access.one_try) policy.tries = 1;
  // Several endpoints: the first that answers at all is the one from then on.
  const bool choosing =
      !session->endpoint_known && session->endpoints.size() > 1 && !call->prepared;
  for (std::size_t i = choosing ? 0 : session->endpoint_index;; ++i) {
    const auto endpoint = session->endpoints[i];
    const bool last = !choosing || i + 1 == session->endpoints.size();
    auto url = endpoint.base.resolve(call->path);
    if (!url) co_return url.error();
    auto request = call->prepared ? *call->prepared : http::Request(call->method, *url);
    const bool same_host = request.url.host() == endpoint.base.host();
    request.tls = same_host ? endpoint.tls : protocol::tls_for_another_host(endpoint.tls);
    for (const auto& [name, value] : call->headers.fields()) request.headers.set(name, value);
    if (!authorization.empty()) request.headers.set("Authorization", authorization);
    if (!call->prepared) request.body = call->body;
    request.replayable = true;  // Our only POST begins an upload; one too many does no harm.
    request.max_redirects = call->max_redirects;
    request.response_limit_bytes = call->response_limit_bytes;

    auto one_try = policy;
    one_try.tries = 1;
    auto answer =
        co_await deliver_with_retries(std::move(request), last ? policy : one_try, streaming);
    if (answer && choosing) {
      session->endpoint_index = i;
      session->endpoint_known = true;
    }
    if (answer.has_error() && !choosing) session->endpoint_known = false;
    if (answer || last || answer.error().code == Errc::kCancelled ||
        answer.error().code == Errc::kEgressDenied)
      co_return answer;
  }
}

Task<Result<Answer>> Transport::deliver_with_retries(http::Request request,
                                                     http::RetryPolicy policy, bool streaming) {
  const auto sleep = policy.sleep;
  http::RetrySchedule schedule(std::move(policy));
  for (;;) {
    auto answer = co_await deliver_once(request, streaming);
    const auto wait = answer ? schedule.after(answer->response) : schedule.after(answer.error());
    if (!wait && answer.has_error()) co_return schedule.given_up(std::move(answer).error());
    if (!wait) co_return answer;
    KILN_CO_TRY(co_await sleep(*wait));
  }
}

Task<Result<Answer>> Transport::deliver_once(http::Request request, bool streaming) {
  if (!streaming) {
    auto response = co_await http_.send(std::move(request));
    if (!response) co_return response.error();
    co_return Answer(*std::move(response));
  }
  auto stream = co_await http_.open(std::move(request));
  if (!stream) co_return stream.error();
  Answer answer{http::Response((*stream)->head())};
  if (answer.status() == 200 || answer.status() == 206) {
    answer.stream = *std::move(stream);
    co_return answer;
  }
  // An error's words; whatever goes wrong on the way, the status is known.
  std::array<char, 4096> block{};
  auto& body = answer.response.body;
  while (body.size() < kMaxErrorBytes) {
    const auto got = co_await (*stream)->read(block);
    if (!got || *got == 0) break;
    body.append(block.data(), *got);
  }
  co_return answer;
}

}  // namespace kiln::registry
