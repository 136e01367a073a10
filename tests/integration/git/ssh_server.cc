#include "tests/integration/git/ssh_server.h"

#include <pwd.h>
#include <unistd.h>

#include <stdexcept>

#include "core/base/process.h"

namespace kiln::source {
namespace {

namespace fs = std::filesystem;

constexpr const char* kServerPath = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin";

fs::path program(const char* name) {
  const auto found = find_program(name, kServerPath);
  return found ? *found : fs::path();
}

std::string own_name() {
  const passwd* me = ::getpwuid(::geteuid());
  if (me == nullptr) throw std::runtime_error("this user has no name");
  return me->pw_name;
}

std::string text_of(const fs::path& path) {
  auto text = read_file(path, 1 << 20);
  if (!text) throw std::runtime_error(text.error().message);
  return *text;
}

}  // namespace

std::optional<std::string> GitSshServer::missing_program() {
  for (const auto* name : {"sshd", "ssh", "ssh-keygen", "git-upload-pack"})
    if (program(name).empty()) return name;
  return std::nullopt;
}

GitSshServer::GitSshServer()
    : folder_(std::move(TempDir::create("kiln-git-ssh-").value())), port_(free_port()) {
  fs::create_directory(repositories());
  // Where sshd, as root, locks its parts in; else whoever starts the service makes it.
  if (::geteuid() == 0) fs::create_directories("/run/sshd");
  (void)new_key("host");
  write_file_atomically(folder_.path() / "authorized_keys", "", 0600).value();
  write_file_atomically(folder_.path() / "sshd_config", config(), 0600).value();
  sshd_ = std::make_unique<ServerProcess>(
      std::vector<std::string>{program("sshd").string(), "-D", "-e", "-f",
                               (folder_.path() / "sshd_config").string()},
      folder_.path() / "log");
  sshd_->wait_for_port(port_);
}

/// SHLVL: else the user's bash would run their .bashrc, which may take long, or wait.
std::string GitSshServer::config() const {
  const auto folder = folder_.path().string();
  return "ListenAddress 127.0.0.1\nPort " + std::to_string(port_) + "\nHostKey " + folder +
         "/host\nAuthorizedKeysFile " + folder + "/authorized_keys\nPidFile " + folder +
         "/pid\nAllowUsers " + own_name() +
         "\nPermitRootLogin yes\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
         "KbdInteractiveAuthentication no\nPubkeyAuthentication yes\nPrintMotd no\n"
         "DisableForwarding yes\nPermitTTY no\nMaxStartups 100\nAcceptEnv GIT_PROTOCOL\nSetEnv "
         "SHLVL=1\n";
}

GitUrl GitSshServer::url(const std::string& name, const std::string& host) const {
  return GitUrl::parse("ssh://" + own_name() + "@" + host + ":" + std::to_string(port_) +
                       (repositories() / name).string())
      .value();
}

std::string GitSshServer::new_key(const std::string& name, const std::string& passphrase) const {
  const auto path = folder_.path() / name;
  Command command(program("ssh-keygen"),
                  {"-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", path.string()});
  const auto made = run_process(command);
  if (!made || !made->status.ok()) throw std::runtime_error("ssh-keygen failed");
  return text_of(path);
}

void GitSshServer::authorize(const std::string& name) const {
  const auto path = folder_.path() / "authorized_keys";
  write_file_atomically(path, text_of(path) + "restrict " + public_key(name) + "\n", 0600).value();
}

std::string GitSshServer::public_key(const std::string& name) const {
  const auto text = text_of(folder_.path() / (name + ".pub"));
  return text.substr(0, text.find(' ', text.find(' ') + 1));
}

std::string GitSshServer::known_hosts() const {
  return known_hosts("[127.0.0.1]:" + std::to_string(port_), public_key("host"));
}

std::string GitSshServer::known_hosts(const std::string& host, const std::string& key) const {
  return host + " " + key + "\n";
}

std::string GitSshServer::log() const {
  return text_of(folder_.path() / "log");
}

}  // namespace kiln::source
