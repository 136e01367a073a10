#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/http/client.h"
#include "core/http/retry.h"
#include "core/registry/client.h"
#include "core/registry/protocol/scopes.h"

namespace kiln::registry {

/// One request to a registry on behalf of one user.
struct Call {
  oci::Repository repository;  ///< With "" as path: the registry as a whole.
  Access access;
  protocol::Scopes scopes;  ///< What a token must allow, if the registry asks for one.
  std::string method;
  std::string path{};  ///< On the registry, with its query: "/v2/team/shop/blobs/sha256:…".
  http::Headers headers{};
  http::Body body{};
  int max_redirects = 0;
  std::uint64_t response_limit_bytes = 8 * 1024 * 1024;
  bool retried = true;  ///< False: after a failure it is the caller's to try again.
  /// Instead of a path: a place that the registry named (an upload's). Authorization goes there
  /// only if it is on the registry itself.
  std::optional<http::Request> prepared{};

  Call(oci::Repository r, Access a, protocol::Scopes s, std::string m, std::string p)
      : repository(std::move(r)),
        access(std::move(a)),
        scopes(std::move(s)),
        method(std::move(m)),
        path(std::move(p)) {}
};

/// An answer, whole or, for open() and the statuses 200 and 206, with its body still to come.
struct Answer {
  http::Response response;
  std::unique_ptr<http::ResponseStream> stream{};
  bool authorized = false;  ///< The registry had asked who is there, and was told.

  explicit Answer(http::Response r) : response(std::move(r)) {}
  int status() const { return response.status(); }
  const http::Headers& headers() const { return response.headers(); }
};

/// Brings calls to registries: chooses https or http, answers challenges, gets and keeps tokens,
/// tries the next credential, retries what may be retried. Knows nothing of blobs and manifests.
///
/// Every status but 401 is a success here. Errors: kUnauthorized (and of no other code when the
/// credentials are the reason), kEgressDenied, and those of http::Client, naming the repository.
/// Threads: the I/O executor. Lifetime: `http` and `clock` must outlive it.
class Transport {
 public:
  Transport(http::Client& http, const Clock& clock, http::RetryPolicy policy);
  ~Transport();

  [[nodiscard]] Task<Result<Answer>> send(Call call);
  /// As send(), but 200 and 206 come with Answer::stream instead of a body.
  [[nodiscard]] Task<Result<Answer>> open(Call call);

  /// Names who is who: the registry, how it is reached and the credential, as one hash.
  static std::string identity_of(const oci::Repository& repository, const Access& access,
                                 const auth::Credential& credential);

 private:
  struct Session;
  struct Ticket;
  Task<Result<Answer>> with_any_credential(Call call, bool streaming);
  Task<Result<Answer>> with_session(std::shared_ptr<const Call> call,
                                    std::shared_ptr<Session> session, bool streaming);
  Task<Result<Ticket>> ticket_for(std::shared_ptr<Session> session, oci::Repository repository,
                                  protocol::Scopes scopes);
  Task<Result<std::string>> fetch_token(std::shared_ptr<Session> session,
                                        oci::Repository repository, protocol::Scopes scopes);
  Task<Result<http::Response>> ask_token_server(std::shared_ptr<Session> session,
                                                protocol::Scopes scopes);
  Task<Result<Answer>> deliver(std::shared_ptr<const Call> call, std::shared_ptr<Session> session,
                               std::string authorization, bool streaming);
  Task<Result<Answer>> deliver_with_retries(http::Request request, http::RetryPolicy policy,
                                            bool streaming);
  Task<Result<Answer>> deliver_once(http::Request request, bool streaming);
  static void heed(const Call& call, const Session& session, const Ticket& ticket, Answer& answer);
  Result<std::shared_ptr<Session>> session_for(const Call& call,
                                               const auth::Credential& credential);

  http::Client& http_;
  const Clock& clock_;
  http::RetryPolicy policy_;
  std::map<std::string, std::shared_ptr<Session>> sessions_;  // By identity_of().
};

}  // namespace kiln::registry
