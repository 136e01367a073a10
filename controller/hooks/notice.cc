#include "controller/hooks/notice.h"

#include "controller/hooks/body.h"

namespace kiln::hooks {
namespace {

/// "application/json", "application/vnd.docker.distribution.events.v2+json", "…; charset=utf-8".
/// GitHub and Gitea can also send forms, which nobody needs to.
bool may_be_json(std::string_view content_type) {
  return content_type.empty() || content_type.find("json") != content_type.npos;
}

std::string_view first_of(const http::Headers& headers, std::string_view name,
                          std::string_view other) {
  const auto value = headers.get(name);
  return value.empty() ? headers.get(other) : value;
}

}  // namespace

Result<Notice> read_notice(Kind kind, const http::ServerRequest& request) {
  const auto& headers = request.headers;
  if (!may_be_json(headers.get("Content-Type")))
    return Error(Errc::kUnsupported,
                 "the body must be application/json: choose it as the "
                 "webhook's content type");
  const auto body = parse_json(request.body);
  if (!body) return body.error();
  if (!body->is_object()) return Error(Errc::kInvalid, "the body must be a JSON object");
  switch (kind) {
    case Kind::kGitHub:
      return read_github(*body, headers.get("X-GitHub-Event"));
    case Kind::kGitLab:
      return read_gitlab(*body);
    case Kind::kGitea:
      return read_gitea(*body, first_of(headers, "X-Gitea-Event", "X-Forgejo-Event"));
    case Kind::kBitbucket:
      return read_bitbucket(*body, headers.get("X-Event-Key"));
    case Kind::kGeneric:
      return read_generic(*body);
    case Kind::kDistribution:
      return read_distribution(*body);
    case Kind::kHarbor:
      return read_harbor(*body);
    case Kind::kQuay:
      break;
  }
  return read_quay(*body);
}

}  // namespace kiln::hooks
