// What a registry demands before it answers: one WWW-Authenticate field a line. Followed up to the
// request that would go to its token server.
#include <string>
#include <vector>

#include "core/registry/protocol/challenge.h"
#include "core/registry/protocol/token.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::registry::protocol {
namespace {

using fuzzing::require;

bool is_lower_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && !(c >= 'A' && c <= 'Z') &&
           std::string_view("\"(),/:;<=>?@[\\]{}").find(c) == std::string_view::npos;
  });
}

void check_challenges(const std::vector<Challenge>& challenges, std::size_t bytes) {
  require(challenges.size() <= 16, "challenges have a limit");
  std::size_t sum = 0;
  for (const auto& challenge : challenges) {
    require(is_lower_token(challenge.scheme), "a scheme is a word");
    require(challenge.params.size() <= 32, "parameters have a limit");
    require(challenge.token68.find_first_of(" \t,\"") == std::string::npos, "a token68 is a word");
    sum += challenge.scheme.size() + challenge.token68.size();
    for (const auto& [name, value] : challenge.params) {
      require(is_lower_token(name), "a parameter's name is a word");
      sum += name.size() + value.size();
    }
  }
  require(sum <= bytes, "nothing grows");
}

void check_request(const http::Request& request, const Realm& realm) {
  require(fuzzing::is_printable_ascii(request.url.str()), "a request line is printable");
  require(request.url.origin() == realm.url.origin(), "it goes where it was judged");
  require(request.named_by == realm.named_by, "who named the place is known");
  for (const auto& [name, value] : request.headers.fields())
    require(fuzzing::is_printable_ascii(value), "a header field is printable");
}

void check_realm(const Challenge& challenge, const http::Url& registry) {
  http::ResponseHead answer(registry);
  answer.status = 401;
  const auto realm = judge_realm(challenge, answer);
  if (!realm) return fuzzing::require_short_line(realm.error().message, 1000);
  require(realm->url.is_https() || !registry.is_https(), "https never becomes http");
  require(
      !realm->may_see_credentials || realm->url.is_https() || realm->url.host() == registry.host(),
      "credentials go over TLS, or home");
  require(realm->named_by.has_value() || realm->url.origin() == registry.origin(),
          "who named the place is known");

  auto scopes = Scopes::pull("team/app");
  scopes.add_challenge(challenge.get("scope"));
  require(scopes.list().size() <= 8, "scopes have a limit");
  require(fuzzing::is_printable_ascii(scopes.joined()), "scopes are printable");
  require(scopes.first_resource() == "repository:team/app", "our own comes first");
  require(scopes.cover(scopes), "a token serves what it was asked for");
  auto again = Scopes::pull("team/app");
  again.add_all(scopes);
  require(again == scopes, "what is there already adds nothing");
  check_request(token_get(*realm, scopes, "user", "secret"), *realm);
  check_request(token_post(*realm, scopes, "identity"), *realm);
}

}  // namespace
}  // namespace kiln::registry::protocol

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const auto fields = fuzzing::parts_of(fuzzing::text_of(data, size), '\n');
  const auto challenges = registry::protocol::parse_challenges(fields);
  registry::protocol::check_challenges(challenges, size);
  const auto* chosen = registry::protocol::choose(challenges);
  if (chosen == nullptr) return 0;
  fuzzing::require(chosen->scheme == "bearer" || chosen->scheme == "basic", "we can answer it");
  for (const auto* registry : {"https://registry.example.com/v2/", "http://127.0.0.1:5000/v2/"})
    registry::protocol::check_realm(*chosen, *http::Url::parse(registry));
  return 0;
}
