#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/base/file.h"
#include "core/source/git_url.h"
#include "tests/integration/git/server_process.h"

namespace kiln::source {

/// `git http-backend` behind nginx, as people have it: on 127.0.0.1, over http and over https with
/// an authority of its own.
///
///   /git/REPO       for everybody
///   /private/REPO   for the user "me" with the password "correct horse"
///   /token/REPO     for "Bearer letmein"
///   /app/REPO       for those to whose requests the server at `auth_port` says 200
///   /moved/REPO     redirects to /git/REPO
///   /status/NNN/…   answers with that status
class GitHttpServer {
 public:
  /// nullopt: all that it needs is there; else what is missing.
  static std::optional<std::string> missing_program();

  /// `lfs_port`: where requests for /info/lfs/ go; 0 = nowhere.
  explicit GitHttpServer(std::uint16_t lfs_port = 0, std::uint16_t auth_port = 0);

  /// Where its repositories are: a folder per repository.
  std::filesystem::path repositories() const { return folder_.path() / "repositories"; }
  GitUrl url(const std::string& path, const std::string& host = "127.0.0.1") const;
  GitUrl https_url(const std::string& path, const std::string& host = "localhost") const;
  std::uint16_t port() const { return port_; }
  const std::string& authority() const { return authority_; }  ///< For ca.crt.

  /// Lines of the access log: "POST /git/a.git/git-upload-pack 200".
  std::vector<std::string> requests() const;
  void stop() { nginx_->stop(); }
  void resume() { nginx_->resume(); }

 private:
  std::string config(std::uint16_t lfs_port, std::uint16_t auth_port) const;
  std::string params() const;

  TempDir folder_;
  std::string authority_;
  std::uint16_t port_ = 0;
  std::uint16_t tls_port_ = 0;
  std::unique_ptr<ServerProcess> fcgi_;
  std::unique_ptr<ServerProcess> nginx_;
};

}  // namespace kiln::source
