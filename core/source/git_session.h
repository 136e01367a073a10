#pragma once
#include <boost/asio/ip/address.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/http/message.h"
#include "core/http/proxy.h"
#include "core/source/git_credentials.h"
#include "core/source/git_program.h"
#include "core/source/git_url.h"

namespace kiln::source {

/// A repository on a server: where it is, who asks, and at which addresses the server may be
/// reached, as the egress policy has let them pass; or through which proxy, which finds it itself.
struct GitServer {
  GitUrl url;
  GitCredentials credentials{};
  std::optional<http::Proxy> proxy{};  ///< Of https and http; `addresses` are of no matter then.
  std::vector<boost::asio::ip::address> addresses{};
  http::AddressKind kind = http::AddressKind::kPublic;

  explicit GitServer(GitUrl u) : url(std::move(u)) {}
};

/// Opens the one door that a git program needs to talk to one server, for as long as this object
/// lives: its scheme and no other, at the addresses given (or through the proxy given) and nowhere
/// else, without redirects, with the credentials given.
///
/// Credentials stand in files of mode 0600 in a folder of mode 0700 below $TMPDIR that goes with
/// this object; the command line and the environment only name that folder. Host keys of ssh are
/// checked against known_hosts alone. Threads: any; commands may run at the same time.
class GitSession {
 public:
  /// Writes the files; blocking. Errors: those of the file system.
  [[nodiscard]] static Result<GitSession> open(const GitProgram& program, const GitServer& server);

  /// git with this remote, called "origin", on a repository of ours ("" = none).
  Command command(const std::filesystem::path& repository,
                  const std::vector<std::string>& arguments) const;

  /// Runs it to its end, for at most `limit`, and answers what it wrote.
  /// Errors, all without secrets:
  ///   kUnauthorized  credentials are missing or not taken; the host key is not in known_hosts.
  ///   kDenied        403; a proxy that does not let us through.
  ///   kNotFound      the server has no such commit.
  ///   kInvalid       a redirect; more bytes or memory than GitLimits say.
  ///   kRateLimited, kUnavailable (no such repository, cut, hangs, TLS), kTimeout, kCancelled,
  ///   kNoSpace; kCorrupt when a repository of ours is broken.
  [[nodiscard]] Result<std::string> run(const Command& command, std::string_view input = {},
                                        std::uint64_t output_limit_bytes = 1024 * 1024) const;

 private:
  GitSession(const GitProgram& program, GitServer server, TempDir folder)
      : program_(program), server_(std::move(server)), folder_(std::move(folder)) {}
  Result<void> write_files() const;
  Result<std::string> config() const;
  Result<void> write_http_files(std::string& config) const;
  Result<void> write_ssh_files() const;
  std::string proxy_url() const;
  std::string path_of(const char* name) const { return (folder_.path() / name).string(); }

  GitProgram program_;
  GitServer server_;
  TempDir folder_;
};

}  // namespace kiln::source
