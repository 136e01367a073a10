#pragma once
#include <optional>

#include "core/base/error.h"
#include "core/http/message.h"

namespace kiln::http {

/// The request that follows `request` when `head` answers it; nullopt when `head` is to be taken as
/// the answer: no redirect, another method than GET and HEAD, or Request::max_redirects is 0.
///
/// Another origin gets neither Authorization nor Cookie nor a client certificate, another host no
/// unverified TLS; `named_by` says where the redirecting server was reached.
/// Source: RFC 9110 15.4; distribution-spec v1.1: Authorization must not cross a host boundary.
/// Errors: kInvalid (from https to http, a Location that is no URL, the last redirect used up).
[[nodiscard]] Result<std::optional<Request>> follow_redirect(const Request& request,
                                                             const ResponseHead& head,
                                                             int followed_so_far);

}  // namespace kiln::http
