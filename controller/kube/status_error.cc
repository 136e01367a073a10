#include "controller/kube/status_error.h"

#include <string>

#include "core/base/json.h"
#include "core/base/redact.h"

namespace kiln::kube {
namespace {

constexpr std::string_view kAhead = "Too large resource version";

/// What we need of a Status, wherever it came from.
struct Status {
  int code = 0;
  std::string reason;
  std::string message;
  std::optional<std::chrono::seconds> hint;
  bool too_large_version = false;
};

bool has_cause(const Json& details, std::string_view reason) {
  const auto& causes = json_at(details, "causes");
  if (!causes.is_array()) return false;
  for (const auto& cause : causes)
    if (json_string(cause, "reason") == reason) return true;
  return false;
}

Status read_status(int http_status, std::string_view body) {
  Status status;
  status.code = http_status;
  const auto json = parse_json(body);
  if (!json || json_string(*json, "kind") != "Status") return status;
  const auto& code = json_at(*json, "code");
  if (code.is_number_integer() && code >= 400 && code <= 599) status.code = code.get<int>();
  status.reason = json_string(*json, "reason");
  status.message = json_string(*json, "message");
  const auto& details = json_at(*json, "details");
  const auto& seconds = json_at(details, "retryAfterSeconds");
  if (seconds.is_number_integer() && seconds > 0 && seconds <= 3600)
    status.hint = std::chrono::seconds(seconds.get<int>());
  status.too_large_version = has_cause(details, "ResourceVersionTooLarge") ||
                             status.message.find(kAhead) != std::string::npos;
  return status;
}

Errc server_error_code(const Status& status) {
  if (status.code == 504 && status.too_large_version) return Errc::kGone;
  // etcd's limit: the object will never fit, so asking again only hurts.
  if (status.code == 500 && status.message.find("request is too large") != std::string::npos)
    return Errc::kInvalid;
  return Errc::kUnavailable;
}

Errc code_of(const Status& status) {
  if (status.reason == "Expired" || status.reason == "Gone") return Errc::kGone;
  if (status.code >= 500) return server_error_code(status);
  switch (status.code) {
    case 401:
      return Errc::kUnauthorized;
    case 403:
      return Errc::kDenied;
    case 404:
      return Errc::kNotFound;
    case 408:
      return Errc::kUnavailable;
    case 409:
      return Errc::kConflict;
    case 410:
      return Errc::kGone;
    case 429:
      return Errc::kRateLimited;
    default:
      return Errc::kInvalid;
  }
}

}  // namespace

Error status_error(int http_status, std::string_view body,
                   std::optional<std::chrono::seconds> hint) {
  auto status = read_status(http_status, body);
  if (!hint) hint = status.hint;
  if (status.message.empty())
    status.message = "the API server answered " + std::to_string(status.code);
  return Error(code_of(status), sanitize_server_text(status.message), hint);
}

Error status_error(const http::Response& response, std::chrono::sys_seconds now) {
  return status_error(response.status(), response.body, http::retry_after(response.headers(), now));
}

bool is_ahead_of_server(const Error& error) {
  return error.code == Errc::kGone && error.message.find(kAhead) != std::string::npos;
}

}  // namespace kiln::kube
