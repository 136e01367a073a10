#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/source/git_url.h"
#include "tests/integration/git/server_process.h"

namespace kiln::source {

/// A real sshd on a port of 127.0.0.1, with host keys, a configuration and authorized keys of its
/// own. Whoever comes in is the user that runs the test, and may run git-upload-pack and nothing
/// else.
class GitSshServer {
 public:
  /// nullopt: all that it needs is there; else what is missing.
  static std::optional<std::string> missing_program();

  GitSshServer();

  std::filesystem::path repositories() const { return folder_.path() / "repositories"; }
  GitUrl url(const std::string& name, const std::string& host = "127.0.0.1") const;
  std::uint16_t port() const { return port_; }

  /// A new key pair; the private one. `passphrase`: what it is locked with.
  std::string new_key(const std::string& name, const std::string& passphrase = {}) const;
  void authorize(const std::string& name) const;  ///< Lets in whoever has that key.

  /// Lines for known_hosts: the server under the name that clients look for, or under another.
  std::string known_hosts() const;
  std::string known_hosts(const std::string& host, const std::string& key) const;
  std::string public_key(const std::string& name) const;  ///< "ssh-ed25519 AAAA…"

  std::string log() const;
  void stop() { sshd_->stop(); }
  void resume() { sshd_->resume(); }

 private:
  std::string config() const;

  TempDir folder_;
  std::uint16_t port_;
  std::unique_ptr<ServerProcess> sshd_;
};

}  // namespace kiln::source
