#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/http/url.h"

namespace kiln::source {

/// The address of a git repository: https, http or ssh, and nothing else that git understands. A
/// value; what exists has no password, no query, no part that a program could take for an option,
/// no control characters, raw or percent-encoded, and a host as http::Url has it.
class GitUrl {
 public:
  enum class Scheme { kHttps, kHttp, kSsh };

  /// Errors: kInvalid, saying what to write instead. "git@host:path" is refused with the URL that
  /// means the same.
  [[nodiscard]] static Result<GitUrl> parse(std::string_view text);

  /// A submodule's address as .gitmodules of the repository at `parent` has it: a URL as above,
  /// "git@host:path", or one relative to `parent` ("../other.git"). Errors: kInvalid, also for http
  /// where `parent` is https or ssh.
  [[nodiscard]] static Result<GitUrl> parse_submodule(std::string_view text, const GitUrl& parent);

  Scheme scheme() const { return scheme_; }
  bool is_ssh() const { return scheme_ == Scheme::kSsh; }
  std::string_view scheme_name() const;              ///< As git's GIT_ALLOW_PROTOCOL wants it.
  const std::string& user() const { return user_; }  ///< Of ssh; "git" when none was given.
  const std::string& host() const { return host_; }  ///< IPv6 without brackets.
  std::uint16_t port() const { return port_; }       ///< The scheme's own when none was given.
  const std::string& path() const { return path_; }  ///< Starts with '/'.

  bool has_default_port() const;
  /// The host as URLs have it, IPv6 in brackets, and the port unless it is the scheme's own.
  std::string host_port() const;
  std::string origin() const;  ///< "https://host:port", always with the port.
  std::string str() const;     ///< What git is given, and what people read.

  /// The same scheme, host and port: who may be sent the same credentials.
  bool same_server(const GitUrl& other) const { return origin() == other.origin(); }

  /// Which repository it is, whatever the way to it: "git.example.com/team/site" for
  /// https://git.example.com/Team/site.git and for ssh://git@git.example.com:2222/team/site. For
  /// finding who may be concerned by news of it; two repositories may have the same name.
  std::string repository_name() const;

  /// Of an https or http URL: the repository's own address with `suffix` behind its path.
  http::Url http_url(std::string_view suffix) const;

 private:
  GitUrl() = default;
  static Result<GitUrl> parse_http(std::string_view text, Scheme scheme);
  static Result<GitUrl> parse_ssh(std::string_view text);
  Result<void> set_server(std::string_view host_and_port);
  Result<void> set_path(std::string_view path);

  Scheme scheme_ = Scheme::kHttps;
  std::string user_;
  std::string host_;
  std::uint16_t port_ = 0;
  std::string path_;
};

/// The repository_name() of a URL or of "git@host:path", as a git server's notifications have
/// them. "": it is neither.
std::string repository_name_of(std::string_view text);

}  // namespace kiln::source
