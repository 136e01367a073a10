#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln::source {

/// A port of 127.0.0.1 that nobody listens on.
std::uint16_t free_port();
/// So many, each another.
std::vector<std::uint16_t> free_ports(int count);

/// A program that serves until this object ends, which takes all that it has started with it.
class ServerProcess {
 public:
  /// `log`: where its output goes. Throws std::runtime_error when it cannot be started.
  ServerProcess(std::vector<std::string> command, const std::filesystem::path& log);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  /// Waits until `port` of 127.0.0.1 answers. Throws std::runtime_error, with the log, when it does
  /// not within 20 s.
  void wait_for_port(std::uint16_t port);
  /// Waits until `path` is there. Throws likewise.
  void wait_for_file(const std::filesystem::path& path);
  void stop();    ///< SIGSTOP: it answers no more, and holds its connections open.
  void resume();  ///< SIGCONT.

 private:
  template <class Holds>
  void wait_until(Holds holds);

  std::string name_;
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

}  // namespace kiln::source
