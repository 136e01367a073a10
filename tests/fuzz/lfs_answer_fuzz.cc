// What a server of Git LFS answers when it is asked where files are: addresses to go to, and header
// fields to send there.
#include "core/source/git_lfs.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::source {
namespace {

using fuzzing::require;

// What the repository has: two files, whose ids the answers of the corpus know.
const std::string kOneId(64, '1');
const std::string kOtherId(64, '2');
constexpr std::uint64_t kBytes = 12;
constexpr std::size_t kErrorBytes = 2000;

void check_download(const http::Request& asked, const GitUrl& repository) {
  require(asked.method == "GET", "a file is only read");
  require(asked.url.is_https(), "https never becomes http");
  const bool at_home = asked.url.origin() == repository.http_url("").origin();
  require(at_home || asked.named_by.has_value(), "who named the place is known");
  require(at_home || asked.headers.get("Authorization") != "Bearer sesame",
          "credentials stay at home");
  require(at_home || asked.tls == nullptr || asked.tls->client_key_pem.empty(),
          "and so does the key");
}

}  // namespace
}  // namespace kiln::source

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  static WorkPool pool(1);
  static const TempDir folder = TempDir::create("kiln-lfs-fuzz-").value();
  auto server = std::make_shared<source::GitServer>(
      source::GitUrl::parse("https://git.example.com/team/site").value());
  server->credentials =
      source::GitCredentials::parse({{"bearerToken", "sesame"}}, server->url).value();
  fakes::ScriptedClient http;
  http.answer(200, std::string(fuzzing::text_of(data, size)));
  http.otherwise([](const http::Request&) { return fakes::ScriptedAnswer(404); });

  source::LfsClient client(http, pool, source::GitLimits());
  const auto fetched = testing::run_task(
      client.fetch(server, {{source::kOneId, source::kBytes}, {source::kOtherId, source::kBytes}},
                   folder.path()));

  fuzzing::require(!fetched, "no answer makes up for a file");
  fuzzing::require_short_line(fetched.error().message, source::kErrorBytes);
  fuzzing::require(!http.seen().empty() && http.seen()[0].method == "POST", "the server is asked");
  for (std::size_t i = 1; i < http.seen().size(); ++i)
    source::check_download(http.seen()[i], server->url);
  return 0;
}
