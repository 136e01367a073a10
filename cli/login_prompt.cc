#include "cli/login_prompt.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iostream>

#include "core/base/file.h"
#include "core/base/stop_signal.h"

namespace kiln::cli {
namespace {

constexpr std::size_t kMaxSecretBytes = 64 * 1024;

/// Holds the echo of a terminal back as long as it lives.
class WithoutEcho {
 public:
  explicit WithoutEcho(int fd) : fd_(fd) {
    if (::tcgetattr(fd, &before_) != 0) return;
    auto silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    // What was typed before the question was seen is not an answer to it.
    held_ = ::tcsetattr(fd, TCSAFLUSH, &silent) == 0;
  }
  ~WithoutEcho() {
    if (held_) ::tcsetattr(fd_, TCSANOW, &before_);
  }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;
  bool held() const { return held_; }

 private:
  int fd_;
  termios before_{};
  bool held_ = false;
};

/// What there is to read now, waiting for it; "" = the end.
Result<std::string> read_some(int fd, const StopSignal& stop) {
  std::array<char, 4096> block;
  for (;;) {
    std::array<pollfd, 2> fds = {pollfd{stop.fd(), POLLIN, 0}, pollfd{fd, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "cannot read from", "standard input");
    }
    if (fds[0].revents != 0) return Error(Errc::kCancelled, "interrupted");
    const auto got = ::read(fd, block.data(), block.size());
    if (got >= 0) return std::string(block.data(), static_cast<std::size_t>(got));
    if (errno != EINTR && errno != EAGAIN)
      return errno_error(errno, "cannot read from", "standard input");
  }
}

void drop_line_break(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

/// A terminal gives a line at a time.
Result<std::string> read_line(int fd, const StopSignal& stop) {
  auto line = read_some(fd, stop);
  if (!line) return line;
  if (line->empty()) return Error(Errc::kCancelled, "nothing was entered");
  drop_line_break(*line);
  return line;
}

}  // namespace

Result<std::string> ask(int fd, std::string_view question, Echo echo, std::stop_token stop) {
  if (::isatty(fd) != 1) return Error(Errc::kInvalid, "there is no terminal to ask on");
  const StopSignal signal(std::move(stop));
  if (echo == Echo::kOn) {
    std::cerr << question << std::flush;
    return read_line(fd, signal);
  }
  const WithoutEcho silent(fd);
  if (!silent.held()) return Error(Errc::kInvalid, "this terminal would show the secret");
  std::cerr << question << std::flush;
  auto line = read_line(fd, signal);
  std::cerr << '\n';  // The one that was typed is not shown either.
  return line;
}

Result<std::string> read_secret(int fd, std::stop_token stop) {
  const StopSignal signal(std::move(stop));
  std::string secret;
  for (;;) {
    auto more = read_some(fd, signal);
    if (!more) return more;
    if (more->empty()) break;
    secret += *more;
    if (secret.size() > kMaxSecretBytes)
      return Error(Errc::kInvalid, "what standard input has for a password is larger than 64 KiB");
  }
  drop_line_break(secret);
  if (secret.empty())
    return Error(Errc::kInvalid, "standard input has no password for --password-stdin");
  return secret;
}

}  // namespace kiln::cli
