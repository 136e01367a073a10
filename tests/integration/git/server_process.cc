#include "tests/integration/git/server_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "core/base/file.h"
#include "core/base/program.h"

namespace kiln::source {

using boost::asio::ip::tcp;

namespace {

tcp::endpoint loopback(std::uint16_t port) {
  return {boost::asio::ip::address_v4::loopback(), port};
}

}  // namespace

std::vector<std::uint16_t> free_ports(int count) {
  boost::asio::io_context context;
  std::vector<tcp::acceptor> held;  // Until all are chosen, or one could be chosen twice.
  std::vector<std::uint16_t> ports;
  for (int i = 0; i < count; ++i)
    ports.push_back(held.emplace_back(context, loopback(0)).local_endpoint().port());
  return ports;
}

std::uint16_t free_port() {
  return free_ports(1).front();
}

ServerProcess::ServerProcess(std::vector<std::string> command, const std::filesystem::path& log)
    : name_(command.front()), log_(log) {
  std::vector<char*> argv;
  for (auto& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  auto path = "PATH=" + variable(own_environment(), "PATH");
  std::vector<char*> envp = {path.data(), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // A group of its own.
  const int error =
      posix_spawn(&pid_, name_.c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + name_);
}

ServerProcess::~ServerProcess() {
  if (pid_ < 0) return;
  kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

template <class Holds>
void ServerProcess::wait_until(Holds holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    if (pid_ < 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto log = read_file(log_, 1 << 20);
  throw std::runtime_error(name_ + " did not come up: " + (log ? *log : ""));
}

void ServerProcess::wait_for_port(std::uint16_t port) {
  boost::asio::io_context context;
  wait_until([&] {
    tcp::socket socket(context);
    boost::system::error_code error;
    socket.connect(loopback(port), error);
    return !error;
  });
}

void ServerProcess::wait_for_file(const std::filesystem::path& path) {
  wait_until([&] {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  });
}

void ServerProcess::stop() {
  kill(-pid_, SIGSTOP);
}

void ServerProcess::resume() {
  kill(-pid_, SIGCONT);
}

}  // namespace kiln::source
