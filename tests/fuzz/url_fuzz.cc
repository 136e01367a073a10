// URLs that people write and servers answer with. The first line is one, the second a reference
// that an answer from there names: a redirect, or where an upload goes on.
#include <string>

#include "core/base/redact.h"
#include "core/http/redirect.h"
#include "core/http/url.h"
#include "core/registry/protocol/upload_session.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::http {
namespace {

using fuzzing::require;

constexpr std::size_t kMaxUrlBytes = 16 * 1024;
constexpr std::size_t kShownBytes = 800;  // Host and 500 bytes of a path.

void check_host(const std::string& host) {
  require(!host.empty() && host.size() <= 253, "a host has a length");
  require(host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.:") == host.npos,
          "a host is a name or an address");
}

void require_sound(const Url& url) {
  check_host(url.host());
  require(url.port() != 0, "a port is a number");
  require(url.path().starts_with('/'), "a path is absolute");
  require(url.path().find_first_of("?#") == std::string::npos, "a path is only a path");
  require(url.query().find('#') == std::string::npos, "a fragment stays here");
  for (const auto& text : {url.target(), url.host_port(), url.origin(), url.str()}) {
    require(fuzzing::is_printable_ascii(text), "what is sent is printable");
    require(text.find(' ') == std::string::npos, "what is sent has no spaces");
  }
  const auto shown = url.redacted();
  require(fuzzing::is_printable_ascii(shown) || shown.ends_with("…"), "what is shown is printable");
  require(shown.size() <= kShownBytes, "what is shown is short");
  require(shown.find('?') == std::string::npos, "what is shown has no query");
}

void require_same_again(const Url& url) {
  require_sound(url);
  require(url.str().size() <= kMaxUrlBytes + 16, "a URL has a limit");
  if (url.str().size() > kMaxUrlBytes) return;
  const auto again = Url::parse(url.str());
  require(again && *again == url, "a URL reads back as itself");
}

void check_changes(const Url& url, std::string_view text) {
  const auto placed = url.with_path(std::string(text));
  require_sound(placed);
  require(placed.query().empty() && placed.origin() == url.origin(), "only the path changes");
  const auto asked = url.with_query(text, text);
  require_sound(asked);
  require(asked.path() == url.path() && asked.query().starts_with(url.query()),
          "only the query grows");
}

void check_redirect(const Url& from, std::string_view location) {
  Request request("GET", from);
  request.max_redirects = 3;
  request.headers.set("Authorization", "Bearer secret");
  ResponseHead head(from);
  head.status = 307;
  if (!head.headers.set("Location", location)) return;
  const auto next = follow_redirect(request, head, 0);
  if (!next) return fuzzing::require_short_line(next.error().message, kShownBytes + 300);
  if (!*next) return;
  require_same_again((*next)->url);
  require((*next)->url.is_https() || !from.is_https(), "https never becomes http");
  require(!(*next)->headers.has("Authorization") || (*next)->url.origin() == from.origin(),
          "credentials stay at home");
}

void check_upload(const Url& from, std::string_view location) {
  using registry::protocol::UploadSession;
  ResponseHead answer(from);
  answer.status = 202;
  if (!answer.headers.set("Location", location)) return;
  answer.headers.set("Range", location);
  answer.headers.set("OCI-Chunk-Min-Length", location);
  const auto held = UploadSession::held_bytes(answer);
  require(!held || *held != 1, "0-0 is nothing");
  auto session = UploadSession::begin(answer);
  if (!session) return fuzzing::require_short_line(session.error().message, kShownBytes + 300);
  require(session->location().is_https() || !from.is_https(), "https never becomes http");
  require(session->chunk_min_bytes() <= (std::uint64_t{1} << 30), "a chunk has a limit");
  require_same_again(session->location());
  const auto put = session->finish(oci::Digest::of("x"), Body());
  require_sound(put.url);
  require(put.named_by.has_value() || session->at_registry(), "who named the place is known");
  if (const auto moved = session->moved_by(answer); !moved)
    fuzzing::require_short_line(moved.error().message, kShownBytes + 300);
}

}  // namespace
}  // namespace kiln::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  auto rest = fuzzing::text_of(data, size);
  const auto first = fuzzing::take_part(rest, '\n');
  const auto redacted = redact_url(first);
  fuzzing::require(!fuzzing::has_control(redacted), "what is shown has no control characters");
  fuzzing::require(redacted.find_first_of("?#") == std::string::npos, "and no query");
  fuzzing::require(redact_url(redacted) == redacted, "twice is as good as once");

  const auto url = http::Url::parse(first);
  if (!url) {
    fuzzing::require_short_line(url.error().message, 200);
    return 0;
  }
  http::require_same_again(*url);
  http::check_changes(*url, rest);
  if (const auto resolved = url->resolve(rest))
    http::require_same_again(*resolved);
  else
    fuzzing::require_short_line(resolved.error().message, 200);
  http::check_redirect(*url, rest);
  http::check_upload(*url, rest);
  return 0;
}
