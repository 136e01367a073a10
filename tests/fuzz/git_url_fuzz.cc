// Addresses of git repositories. The first line is one that a person has written, the rest that of
// a submodule as a repository names it.
#include <string>

#include "core/source/git_url.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::source {
namespace {

using fuzzing::require;

constexpr std::size_t kMaxUrlBytes = 2048 + 2048;  // A submodule's stands on its parent's.
constexpr std::size_t kErrorBytes = 4096;          // One shows the URL to write instead.

bool holds_any(std::string_view text, std::string_view signs) {
  return text.find_first_of(signs) != text.npos;
}

/// What a program is given is taken for nothing but an address.
void require_plain(const GitUrl& url) {
  const auto text = url.str();
  require(fuzzing::is_printable_ascii(text), "an address is printable ASCII");
  require(!holds_any(text, " ?#\"<>\\"), "an address needs no quotes");
  require(text.starts_with("https://") || text.starts_with("http://") || text.starts_with("ssh://"),
          "an address has one of three schemes");
  require(text.starts_with(std::string(url.scheme_name()) + "://"), "and says which");
  require(!url.host().empty() && !url.host().starts_with('-'), "a host is no option");
  require(
      url.host().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.:") == std::string::npos,
      "a host is a name or an address");
  require(url.port() != 0, "a port is a number");
  require(url.path().size() >= 2 && url.path().starts_with('/'), "a path is absolute");
  if (!url.is_ssh()) return require(url.user().empty(), "http has no user in the address");
  require(!url.user().empty() && !url.user().starts_with('-'), "a user is no option");
  require(!holds_any(url.user(), ":@/"), "a user is a name");
}

void require_same_again(const GitUrl& url) {
  require_plain(url);
  require(url.str().size() <= kMaxUrlBytes, "an address has a limit");
  const auto again = GitUrl::parse(url.str());
  if (url.str().size() > 2048) return;
  require(again && again->str() == url.str(), "an address reads back as itself");
  require(again->same_server(url) && again->path() == url.path() && again->user() == url.user(),
          "and means the same");
  if (!url.is_ssh())
    require(fuzzing::is_printable_ascii(url.http_url("/info/refs").str()),
            "and has a place below it");
}

}  // namespace
}  // namespace kiln::source

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  using Scheme = source::GitUrl::Scheme;
  auto rest = fuzzing::text_of(data, size);
  const auto first = fuzzing::take_part(rest, '\n');
  const auto url = source::GitUrl::parse(first);
  if (!url) {
    fuzzing::require_short_line(url.error().message, source::kErrorBytes);
    return 0;
  }
  source::require_same_again(*url);
  const auto submodule = source::GitUrl::parse_submodule(rest, *url);
  if (!submodule) {
    fuzzing::require_short_line(submodule.error().message, source::kErrorBytes);
    return 0;
  }
  source::require_same_again(*submodule);
  fuzzing::require(submodule->scheme() != Scheme::kHttp || url->scheme() == Scheme::kHttp,
                   "nothing becomes less than https");
  if (rest.starts_with("./") || rest.starts_with("../"))
    fuzzing::require(submodule->same_server(*url), "what is relative stays on its server");
  return 0;
}
