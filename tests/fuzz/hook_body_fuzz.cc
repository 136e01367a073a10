// A webhook: the sender's kind, its header's event, and the body. Whoever sent it, reading it ends
// within the limits, and what is remembered of it does not depend on what nobody signed.
#include <string>

#include "controller/hooks/authenticity.h"
#include "controller/hooks/notice.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::hooks {
namespace {

using fuzzing::require;

void check_notice(const Notice& notice) {
  const bool news = notice.what == Notice::What::kNews;
  require(news == !(notice.pushes.empty() && notice.images.empty()), "news are about something");
  require(notice.images.size() <= Notice::kMostImages, "images have a limit");
  for (const auto& image : notice.images) {
    const auto again = oci::Reference::parse(image.repository.str() + ":" + image.tag);
    require(again && again->repository() == image.repository, "an image is a reference");
  }
  for (const auto& push : notice.pushes) {
    require(!push.urls.empty(), "a push is to a repository");
    require(push.refs.size() <= Notice::kMostRefs, "refs have a limit");
  }
}

http::ServerRequest request_of(std::string_view event, std::string_view body) {
  http::ServerRequest request;
  for (const auto* name :
       {"X-GitHub-Event", "X-Gitea-Event", "X-Event-Key", "Authorization", "X-Hub-Signature-256",
        "webhook-signature", "webhook-timestamp", "X-Timestamp", "X-Signature"})
    request.headers.set(name, event);
  request.body = body;
  return request;
}

}  // namespace
}  // namespace kiln::hooks

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  auto rest = fuzzing::text_of(data, size);
  const auto path = "/hooks/" + std::string(fuzzing::take_part(rest, '\n'));
  const auto event = fuzzing::take_part(rest, '\n');
  const auto endpoint = hooks::find_endpoint(path);
  if (!endpoint) return 0;
  const auto request = hooks::request_of(event, rest);
  static const auto tokens =
      hooks::Tokens::read(R"({"data":{"t":"dGhlIHNlY3JldCB0aGF0IG5vYm9keSBndWVzc2Vz"}})");
  fuzzing::require(!hooks::is_authentic(*endpoint, request, *tokens, {}), "nobody guesses a token");
  const auto notice = hooks::read_notice(endpoint->kind, request);
  if (notice)
    hooks::check_notice(*notice);
  else
    fuzzing::require_short_line(notice.error().message, 400);
  return 0;
}
