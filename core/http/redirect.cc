#include "core/http/redirect.h"

#include <memory>
#include <string>

namespace kiln::http {
namespace {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// What of a registry's TLS options holds for a server that it points at: the trusted authorities.
std::shared_ptr<const TlsOptions> tls_for(const Url& target, const Request& request) {
  if (!request.tls || target.origin() == request.url.origin()) return request.tls;
  TlsOptions options = *request.tls;
  options.client_cert_pem.clear();
  options.client_key_pem.clear();
  options.server_name.clear();
  if (target.host() != request.url.host()) options.insecure_skip_verify = false;
  return std::make_shared<const TlsOptions>(std::move(options));
}

}  // namespace

Result<std::optional<Request>> follow_redirect(const Request& request, const ResponseHead& head,
                                               int followed_so_far) {
  const bool followed = request.method == "GET" || request.method == "HEAD";
  if (!followed || request.max_redirects == 0 || !is_redirect(head.status) ||
      !head.headers.has("Location"))
    return std::optional<Request>();

  const auto from = request.url.host_port();
  if (followed_so_far >= request.max_redirects)
    return Error(Errc::kInvalid,
                 from + " redirects on, after " + std::to_string(followed_so_far) + " redirects");
  auto target = request.url.resolve(head.headers.get("Location"));
  if (!target)
    return std::move(target.error()).while_doing(from + " redirects to something that is no URL");
  if (request.url.is_https() && !target->is_https())
    return Error(Errc::kInvalid, from + " redirects from https to http (" + target->host_port() +
                                     "), which is refused");

  Request next = request;
  next.tls = tls_for(*target, request);
  if (target->origin() != request.url.origin()) {
    for (const auto* name : {"Authorization", "Cookie", "Proxy-Authorization", "Host"})
      next.headers.remove(name);
  }
  next.url = std::move(*target);
  next.named_by = head.peer;
  return std::optional<Request>(std::move(next));
}

}  // namespace kiln::http
