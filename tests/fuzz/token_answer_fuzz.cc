// What a token server answers: the token goes into a header, so nothing may come with it.
#include <chrono>

#include "core/registry/protocol/token.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const auto token = registry::protocol::parse_token(fuzzing::text_of(data, size));
  if (!token) {
    fuzzing::require_short_line(token.error().message, 100);
    return 0;
  }
  fuzzing::require(!token->value.empty(), "a token is something");
  fuzzing::require(fuzzing::is_printable_ascii(token->value), "a token is printable");
  fuzzing::require(token->value.find(' ') == std::string::npos, "a token is one word");
  fuzzing::require(
      token->lifetime >= std::chrono::seconds(60) && token->lifetime <= std::chrono::hours(24),
      "a token lives a minute to a day");
  return 0;
}
