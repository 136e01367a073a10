#include "controller/hooks/receiver.h"

#include <functional>
#include <string>
#include <utility>

#include "controller/hooks/authenticity.h"
#include "controller/obs/ask.h"
#include "core/base/log.h"

namespace kiln::hooks {

using http::ServerRequest;
using http::ServerResponse;

/// A response and what the metric calls it.
struct Receiver::Answer {
  std::string_view result;
  ServerResponse response;
  Answer(std::string_view r, int status, const std::string& text)
      : result(r), response(status, text + "\n") {}
};

Task<ServerResponse> Receiver::handle(ServerRequest request) {
  auto endpoint = find_endpoint(request.path);
  const auto kind = endpoint ? name_of(endpoint->kind) : std::string_view("other");
  auto answered = Answer("refused", 404, "not found; webhooks are sent to /hooks/KIND");
  if (endpoint && request.method != "POST") {
    answered = Answer("refused", 405, "only POST");
    answered.response.headers.set("Allow", "POST");
  } else if (endpoint) {
    answered = co_await answer(std::move(*endpoint), std::move(request));
  }
  metrics_.hook_requests.add({kind, answered.result});
  log::debug("webhook", {{"kind", std::string(kind)}, {"result", std::string(answered.result)}});
  co_return std::move(answered.response);
}

Task<Receiver::Answer> Receiver::answer(Endpoint endpoint, ServerRequest request) {
  const auto tokens = tokens_.get();
  if (!tokens) co_return Answer("unavailable", 503, "no webhook is taken now");
  if (!is_authentic(endpoint, request, *tokens, clock_.now()))
    co_return Answer("refused", 403, "refused");
  auto notice = read_notice(endpoint.kind, request);
  if (!notice) {
    const int status = notice.error().code == Errc::kUnsupported ? 415 : 400;
    co_return Answer("malformed", status, notice.error().message);
  }
  if (notice->what == Notice::What::kPing) co_return Answer("ping", 200, "heard");
  if (notice->what == Notice::What::kNothing)
    co_return Answer("ignored", 200, "nothing has to be looked at for this event");
  const auto id = delivery_id(endpoint.kind, request);
  if (id && !memory_.remember(*id, clock_.steady_now()))
    co_return Answer("replayed", 200, "received before; nothing is started");
  co_return co_await hand_over(std::move(*notice), id);
}

Task<Receiver::Answer> Receiver::hand_over(Notice notice, std::optional<Sha256Sum> id) {
  std::function<std::size_t()> question = [this, notice = std::move(notice)] {
    return starter_.start(notice);
  };
  const auto started = co_await obs::ask(loop_, std::move(question), limit_);
  if (!started) {
    if (id) memory_.forget(*id);
    co_return Answer("unavailable", 503, "too busy to take a webhook now");
  }
  if (*started == 0) co_return Answer("unmatched", 202, "no ImageBuild follows what was pushed");
  co_return Answer("accepted", 202,
                   "ImageBuilds that are looked at now: " + std::to_string(*started));
}

}  // namespace kiln::hooks
