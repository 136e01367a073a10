#include "controller/obs/pages.h"

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "controller/obs/ask.h"

namespace kiln::obs {
namespace {

using http::ServerRequest;
using http::ServerResponse;
using std::chrono::steady_clock;

ServerResponse not_found(std::string_view pages) {
  return ServerResponse(404, "not found; there are " + std::string(pages) + "\n");
}

bool is_read(const ServerRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

ServerResponse wrong_method(std::string_view allowed) {
  ServerResponse response(405, "only " + std::string(allowed) + "\n");
  response.headers.set("Allow", allowed);
  return response;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// Is `path` this page or a part of it? "/readyz/" and "/readyz" are the same.
bool is_page(std::string_view path, std::string_view page, std::string& part) {
  if (!path.starts_with(page)) return false;
  path.remove_prefix(page.size());
  if (!path.empty() && path.front() != '/') return false;
  part = path.empty() ? path : path.substr(1);
  return true;
}

std::function<Checks::Report()> for_report(const Checks* checks, bool verbose, std::string only) {
  return [checks, verbose, only = std::move(only)] { return checks->report(verbose, only); };
}

}  // namespace

Task<ServerResponse> MetricsPages::handle(ServerRequest request) {
  if (request.path != "/metrics") co_return not_found("/metrics");
  if (!is_read(request)) co_return wrong_method("GET, HEAD");
  std::function<std::string()> question = [this, asked = steady_clock::now()] {
    metrics_.loop_lag.set({}, std::chrono::duration<double>(steady_clock::now() - asked).count());
    return metrics_.text();
  };
  auto text = co_await ask(loop_, std::move(question), kLoopLimit);
  if (!text) co_return ServerResponse(503, text.error().message + "\n");
  co_return ServerResponse(200, std::move(*text), Metrics::kContentType);
}

Task<ServerResponse> HealthPages::handle(ServerRequest request) {
  std::string part;
  if (request.path == "/loglevel") co_return log_level(request);
  const Checks* checks = nullptr;
  if (is_page(request.path, "/healthz", part)) checks = &health_.live;
  if (is_page(request.path, "/readyz", part)) checks = &health_.ready;
  if (checks == nullptr) co_return not_found("/healthz, /readyz and /loglevel");
  if (!is_read(request)) co_return wrong_method("GET, HEAD");
  co_return co_await report(checks, request.has_parameter("verbose"), part);
}

Task<ServerResponse> HealthPages::report(const Checks* checks, bool verbose, std::string only) {
  auto question = for_report(checks, verbose, std::move(only));
  const auto report = co_await ask(loop_, std::move(question), loop_limit_);
  if (!report)
    co_return ServerResponse(503, "[-]event-loop failed: " + report.error().message + "\n");
  using Verdict = Checks::Report::Verdict;
  const int status = report->verdict == Verdict::kGood           ? 200
                     : report->verdict == Verdict::kUnknownCheck ? 404
                                                                 : 503;
  ServerResponse response(status, report->text);
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("X-Content-Type-Options", "nosniff");
  co_return response;
}

ServerResponse HealthPages::log_level(const ServerRequest& request) {
  if (is_read(request)) return ServerResponse(200, std::string(log::name_of(log::level())) + "\n");
  if (request.method != "PUT") return wrong_method("GET, HEAD, PUT");
  if (!request.peer.is_loopback())
    return ServerResponse(403, "only from the pod itself; use kubectl port-forward\n");
  const auto level = log::parse_level(trim(request.body));
  if (!level) return ServerResponse(400, level.error().message + "\n");
  log_switch_.set(*level);
  return ServerResponse(200, std::string(log::name_of(*level)) + "\n");
}

}  // namespace kiln::obs
