#include "tests/integration/registry/registry_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace kiln::registry {
namespace {

namespace fs = std::filesystem;
using boost::asio::ip::tcp;

std::vector<fs::path> folders_in(const char* variable) {
  std::vector<fs::path> folders;
  const char* value = std::getenv(variable);
  std::istringstream list(value ? value : "");
  for (std::string folder; std::getline(list, folder, ':');)
    if (!folder.empty()) folders.emplace_back(folder);
  return folders;
}

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

std::uint16_t free_port() {
  boost::asio::io_context context;
  tcp::acceptor acceptor(context, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  return acceptor.local_endpoint().port();
}

}  // namespace

std::optional<std::string> find_program(const std::string& name) {
  for (const auto& folder : folders_in("KILN_TOOLS_PATH")) {
    if (is_program(folder / name)) return (folder / name).string();
    std::error_code ignored;
    for (const auto& inner : fs::directory_iterator(folder, ignored))
      if (is_program(inner.path() / name)) return (inner.path() / name).string();
  }
  for (const auto& folder : folders_in("PATH"))
    if (is_program(folder / name)) return (folder / name).string();
  return std::nullopt;
}

RegistryProcess::RegistryProcess(const std::string& program, const std::string& auth)
    : folder_(std::move(TempDir::create("kiln-registry-").value())), port_(free_port()) {
  const auto config = R"({"version": "0.1", "log": {"level": "error"},
    "storage": {"filesystem": {"rootdirectory": ")" +
                      (folder_.path() / "data").string() +
                      R"("}, "delete": {"enabled": true}},
    "http": {"addr": ")" +
                      name() + R"(", "secret": "kiln-test"})" +
                      (auth.empty() ? "" : ", \"auth\": " + auth) + "}";
  write_file_atomically(folder_.path() / "config.json", config).value();
  start(program);
  wait_until_it_answers();
}

void RegistryProcess::start(const std::string& program) {
  const auto config = (folder_.path() / "config.json").string();
  const auto log = (folder_.path() / "log").string();
  std::vector<std::string> args = {program, "serve", config};
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  // Else it looks for a collector of traces.
  std::vector<std::string> environment = {"OTEL_TRACES_EXPORTER=none", "HOME=/nonexistent"};
  std::vector<char*> envp;
  for (auto& variable : environment) envp.push_back(variable.data());
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int error =
      posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + program);
}

void RegistryProcess::wait_until_it_answers() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  boost::asio::io_context context;
  while (std::chrono::steady_clock::now() < deadline) {
    tcp::socket socket(context);
    boost::system::error_code error;
    socket.connect(tcp::endpoint(boost::asio::ip::address_v4::loopback(), port_), error);
    if (!error) return;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    if (pid_ < 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const auto log = read_file(folder_.path() / "log", 1 << 20);
  throw std::runtime_error("the registry did not come up: " + (log ? *log : ""));
}

RegistryProcess::~RegistryProcess() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::size_t RegistryProcess::open_uploads() const {
  std::size_t count = 0;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "data", ignored))
    if (entry.path().filename() == "startedat") ++count;  // The last to go.
  return count;
}

}  // namespace kiln::registry
