#pragma once
#include <chrono>
#include <optional>
#include <string_view>

#include "core/base/error.h"
#include "core/http/message.h"

namespace kiln::kube {

/// What a Status object of the API server means for us. `http_status` counts where the object has
/// no code of its own, or is no Status at all (a proxy's error page).
///
///   400, 405, 406, 413, 415, 422   kInvalid      401 kUnauthorized   403 kDenied   404 kNotFound
///   409 kConflict                  410, Expired, ResourceVersionTooLarge (504) kGone
///   429 kRateLimited               500 "request is too large" kInvalid (it never fits)
///   408, 5xx kUnavailable          anything else kInvalid
///
/// `hint` is the header's Retry-After; details.retryAfterSeconds is used where there is none.
Error status_error(int http_status, std::string_view body,
                   std::optional<std::chrono::seconds> hint);

/// The same for a whole answer.
Error status_error(const http::Response& response, std::chrono::sys_seconds now);

/// The server is asked for a state that is ahead of its own (restored from a backup, or a replica
/// that lags): a kGone for lists, told apart by this.
bool is_ahead_of_server(const Error& error);

}  // namespace kiln::kube
