#pragma once
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/base/file.h"
#include "tests/integration/git/http_server.h"

namespace kiln::source {

/// What anybody on this machine can see of a process, and what its owner can.
struct SeenProcess {
  std::string id;
  std::string command_line;  ///< Words, with '\0' between them.
  std::string environment;   ///< Likewise; "" where it is not ours to see.
};

inline std::string proc_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// All processes whose command line or environment holds `mark`.
inline std::vector<SeenProcess> processes_with(const std::string& mark) {
  std::vector<SeenProcess> found;
  std::error_code gone;
  for (auto at = std::filesystem::directory_iterator("/proc", gone);
       at != std::filesystem::directory_iterator(); at.increment(gone)) {
    const auto name = at->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    SeenProcess process{name, proc_file(at->path() / "cmdline"), proc_file(at->path() / "environ")};
    if (process.command_line.find(mark) != std::string::npos ||
        process.environment.find(mark) != std::string::npos)
      found.push_back(std::move(process));
  }
  return found;
}

/// As long as it lives, the sessions of git put their files into a folder that nobody else uses, so
/// that what belongs to them can be told from all other files and processes.
class SessionFolder {
 public:
  SessionFolder() {
    const char* before = std::getenv("TMPDIR");
    before_ = before == nullptr ? "" : before;
    ::setenv("TMPDIR", folder_.path().c_str(), 1);
  }
  ~SessionFolder() {
    before_.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", before_.c_str(), 1);
  }
  SessionFolder(const SessionFolder&) = delete;
  SessionFolder& operator=(const SessionFolder&) = delete;

  const std::filesystem::path& path() const { return folder_.path(); }
  std::vector<SeenProcess> processes() const { return processes_with(path().string()); }
  /// Nothing of a session is left, or will be at once: a process that was killed has its moment.
  bool becomes_empty() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      if (processes().empty() && std::filesystem::is_empty(path())) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

 private:
  TempDir folder_ = std::move(*TempDir::create("kiln-git-sessions-"));
  std::string before_;
};

/// Watches until a git program waits for the stopped server, notes what is to be seen of it, and
/// lets the server go on.
inline std::vector<SeenProcess> watch_then_resume(const SessionFolder& sessions,
                                                  GitHttpServer& server) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::vector<SeenProcess> seen;
  const auto is_transport = [](const SeenProcess& process) {
    return process.command_line.find("remote-http") != std::string::npos;
  };
  while (std::none_of(seen.begin(), seen.end(), is_transport) &&
         std::chrono::steady_clock::now() < deadline)
    seen = sessions.processes();
  server.resume();
  return seen;
}

}  // namespace kiln::source
