#include "core/source/git_errors.h"

#include <algorithm>
#include <csignal>
#include <vector>

#include "core/base/redact.h"

namespace kiln::source {
namespace {

constexpr std::size_t kMaxWordsBytes = 300;

/// The first complaint of git's own, for the later ones follow from it; without "fatal: ".
std::string first_words(std::string_view errors) {
  constexpr std::string_view kPrefixes[] = {"fatal: ", "error: "};
  std::string_view last;
  while (!errors.empty()) {
    const auto end = std::min(errors.find('\n'), errors.size());
    auto line = errors.substr(0, end);
    errors.remove_prefix(std::min(end + 1, errors.size()));
    if (!line.empty()) last = line;
    for (const auto prefix : kPrefixes)
      if (line.starts_with(prefix))
        return sanitize_server_text(line.substr(prefix.size()), kMaxWordsBytes);
  }
  return sanitize_server_text(last, kMaxWordsBytes);
}

/// What git or ssh says, and what it means. `advice` stands for "" = their own words.
struct Meaning {
  Errc code;
  const char* advice;
  std::vector<std::string_view> signs;
};

// The first that fits decides. Signs are of git 2.39 to 2.47, curl and OpenSSH.
const std::vector<Meaning>& meanings() {
  static const std::vector<Meaning> kMeanings = {
      {Errc::kNoSpace, "no space is left for git's cache", {"No space left on device"}},
      {Errc::kInvalid,
       "git needs more memory for this repository than it may use",
       {"Out of memory", "out of memory", "Cannot allocate memory"}},
      {Errc::kUnauthorized,
       "the server's host key is not the one in known_hosts of the Secret",
       {"Host key verification failed", "host key is known", "IDENTIFICATION HAS CHANGED"}},
      {Errc::kUnauthorized,
       "the server does not take the credentials of secretRef, or wants some and there are none",
       {"terminal prompts disabled", "Authentication failed", "returned error: 401",
        "Permission denied", "Access denied", "could not read Password", "Load key",
        "incorrect passphrase"}},
      {Errc::kDenied,
       "the proxy does not take its credentials, or wants some: write it as "
       "http://USER:PASSWORD@HOST:PORT",
       {"HTTP code 407 from proxy", "CONNECT tunnel failed, response 407", "returned error: 407",
        "HTTP code 401 from proxy", "CONNECT tunnel failed, response 401"}},
      {Errc::kDenied,
       "the proxy does not let us reach the server",
       {"HTTP code 403 from proxy", "CONNECT tunnel failed, response 403"}},
      {Errc::kUnavailable,
       "the proxy does not reach the server, or is not reached itself",
       {"from proxy after CONNECT", "CONNECT tunnel failed", "Could not resolve proxy",
        "Proxy CONNECT aborted"}},
      {Errc::kDenied, "the server forbids it (403)", {"returned error: 403"}},
      {Errc::kInvalid,
       "the server redirects to another address, which is not followed: write that address as "
       "url; many servers want it to end in .git",
       {"returned error: 301", "returned error: 302", "returned error: 303", "returned error: 307",
        "returned error: 308", "from redirection"}},
      {Errc::kRateLimited,
       "the server says that it is asked too often (429)",
       {"returned error: 429"}},
      {Errc::kNotFound,
       "the server has no such commit, or does not give one that is no branch's or tag's newest",
       {"not our ref", "unadvertised object", "find remote ref", "no such remote ref"}},
      {Errc::kUnavailable,
       "the server has no such repository, or does not show it to these credentials",
       {"' not found", "not appear to be a git repository", "epository not found",
        "returned error: 404"}},
      {Errc::kUnavailable,
       "the server's certificate is not trusted; put its authority into ca.crt of the Secret",
       {"certificate verification failed", "SSL certificate problem", "certificate has expired",
        "no alternative certificate subject name", "SSL: certificate subject name"}},
      {Errc::kUnavailable,
       "the server sent nothing for too long",
       {"Operation too slow", "Connection timed out", "not responding"}},
      {Errc::kUnavailable,
       "the connection broke before all was there",
       {"early EOF", "unexpected disconnect", "hung up", "transfer closed", "Empty reply",
        "Connection reset", "Broken pipe", "Recv failure"}},
      {Errc::kInvalid, kGitBrokeDown, {"died of signal 11"}},
      {Errc::kCorrupt,
       "",
       {"not a git repository", "bad object", "is corrupt", "object file", "bad config",
        "shallow file has changed", "bad signature", "index file"}},
  };
  return kMeanings;
}

}  // namespace

Error remote_git_error(const ExitStatus& status, const std::string& errors,
                       const GitLimits& limits) {
  const auto has = [&errors](std::string_view sign) {
    return errors.find(sign) != std::string::npos;
  };
  // index-pack, a child of git, meets the limit first.
  if (status.signal == SIGXFSZ || has("died of signal 25") || has("File too large"))
    return {Errc::kInvalid, "the server sends more than the limit of " +
                                std::to_string(limits.fetch_bytes) + " bytes"};
  if (status.signal == SIGXCPU || has("died of signal 24"))
    return {Errc::kInvalid, "git needs more than the limit of " +
                                std::to_string(limits.cpu_seconds) + " CPU seconds"};
  const auto words = first_words(errors);
  for (const auto& meaning : meanings())
    if (std::any_of(meaning.signs.begin(), meaning.signs.end(), has)) {
      const std::string advice = meaning.advice;
      if (advice.empty()) return {meaning.code, words};
      // The repository is named in front of it already.
      const bool no_news = words.empty() || words.starts_with("repository '");
      return {meaning.code, advice + (no_news ? "" : " (" + words + ")")};
    }
  return {Errc::kUnavailable, words.empty() ? "git ended with " + status.str() : words};
}

}  // namespace kiln::source
