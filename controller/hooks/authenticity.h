#pragma once
#include <optional>

#include "controller/hooks/endpoint.h"
#include "controller/hooks/tokens.h"
#include "core/base/sha256.h"
#include "core/base/time_text.h"
#include "core/http/server.h"

namespace kiln::hooks {

/// How far the time of a signed request may be from ours, where the signature covers a time.
inline constexpr std::chrono::seconds kClockSkew{300};

/// Does the sender know one of `tokens`? Compared in constant time; that it says nothing about why
/// not is on purpose.
///
///   github              X-Hub-Signature-256: sha256=HEX         HMAC-SHA-256 of the body
///   bitbucket           X-Hub-Signature: sha256=HEX             the same
///   gitea               X-Gitea-Signature, X-Forgejo-Signature  the same, HEX alone
///   gitlab              X-Gitlab-Token                          the token itself; or
///                       webhook-signature: v1,BASE64            HMAC-SHA-256 of "ID.TIME.BODY"
///                       with webhook-id, webhook-timestamp           a time within kClockSkew
///   generic             X-Signature: sha256=HEX, X-Timestamp    HMAC-SHA-256 of "TIME.BODY", a
///   time
///                                                               within kClockSkew
///   distribution,       Authorization                           Bearer TOKEN, Basic (the password
///   harbor, quay                                                is the token), or TOKEN; or the
///                                                               path's last part, see proof_of()
///
/// A header that is there twice is no proof. Source: the senders' documentation; for gitlab's
/// signature "Standard Webhooks" 1.0.
bool is_authentic(const Endpoint& endpoint, const http::ServerRequest& request,
                  const Tokens& tokens, WallTime now);

/// For senders that can be told nothing but a URL: the hexadecimal HMAC-SHA-256 of the kind's name
/// under the token. Who sees it in a log can neither sign with it nor use it for another kind.
std::string proof_of(Kind kind, std::string_view token);

/// What tells one delivery from another, by what its signature covers: two headers that differ do
/// not make two deliveries of one body. nullopt where two events may well look alike.
std::optional<Sha256Sum> delivery_id(Kind kind, const http::ServerRequest& request);

}  // namespace kiln::hooks
