// What a registry, or a proxy before it, says about a failure: it ends up in a status that others
// read. The first line is a Retry-After field, with the status before it: "429 120".
#include <charconv>
#include <chrono>
#include <string>

#include "core/base/encoding.h"
#include "core/base/redact.h"
#include "core/registry/protocol/error_body.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::registry::protocol {
namespace {

using fuzzing::require;

constexpr std::size_t kMostWords = 320;

void require_fit(std::string_view words, std::size_t limit) {
  require(words.size() <= limit, "words are few");
  require(!fuzzing::has_control(words), "words have no control characters");
  require(is_utf8(words), "words are UTF-8");
}

void check_body(std::string_view body) {
  const auto said = parse_error_body(body);
  require_fit(said.words, kMostWords);
  require(said.codes.size() <= 16 && said.digests.size() <= 16, "lists have limits");
  for (const auto& code : said.codes) {
    require(said.has(code), "a code is found");
    require(fuzzing::is_printable_ascii(code) && code.size() <= 64, "a code is a word");
  }
}

void check_error(int status, std::string_view wait, std::string_view body) {
  http::ResponseHead head(*http::Url::parse("https://registry.example.com/v2/"));
  head.status = status;
  head.headers.set("Retry-After", wait);
  const http::Response answer(std::move(head), std::string(body));
  const auto now = std::chrono::sys_seconds(std::chrono::seconds(1'800'000'000));
  const auto error = error_from(answer, "registry.example.com/team/app", now);
  fuzzing::require_short_line(error.message, kMostWords + 200);
  if (error.retry_after)
    require(error.retry_after->count() >= 0 && *error.retry_after <= std::chrono::hours(1),
            "a hint is at most an hour");
}

/// A token in the middle of what a server says must not come out, wherever it stands.
void check_secret(std::string_view body) {
  const auto middle = body.size() / 2;
  const auto with_secret = std::string(body.substr(0, middle)) + " Bearer kilnS3cretT0ken " +
                           std::string(body.substr(middle));
  const auto said = parse_error_body(with_secret);
  require(said.words.find("kilnS3cretT0ken") == std::string::npos, "tokens are masked");
  require(sanitize_server_text(with_secret).find("kilnS3cretT0ken") == std::string::npos,
          "tokens are masked");
}

}  // namespace
}  // namespace kiln::registry::protocol

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  auto body = fuzzing::text_of(data, size);
  auto wait = fuzzing::take_part(body, '\n');
  int status = 500;
  std::from_chars(wait.data(), wait.data() + std::min<std::size_t>(3, wait.size()), status);
  wait.remove_prefix(std::min<std::size_t>(4, wait.size()));
  registry::protocol::check_body(body);
  registry::protocol::check_error(status, wait, body);
  registry::protocol::check_secret(body);
  const auto sanitized = sanitize_server_text(body);
  registry::protocol::require_fit(sanitized, 512 + 3);
  return 0;
}
