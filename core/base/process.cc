#include "core/base/process.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <vector>

#include "core/base/deadline.h"
#include "core/base/stop_signal.h"

namespace kiln {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kGrace{1000};  // Between SIGTERM and SIGKILL.
constexpr std::size_t kBlockBytes = 64 * 1024;
constexpr std::size_t kMaxErrorBytes = 16 * 1024;
constexpr int kErrorBlocks = 64;  // At one go: who never stops complaining must not keep us there.

enum class Pipe { kOpen, kClosed };

/// write() without SIGPIPE, which would kill us where somebody has not switched it off. The signal
/// is for this thread alone, so it can be held back, and taken away again, here.
ssize_t write_quietly(int fd, std::string_view bytes) {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::sigpending(&pending);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const auto written = ::write(fd, bytes.data(), bytes.size());
  const int error = errno;
  if (written < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec now{};
    while (::sigtimedwait(&pipe_signal, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

/// poll() that a signal does not end early. `limit` is rounded up: never too early.
int poll_until(std::span<pollfd> fds, steady_clock::time_point limit) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(limit - steady_clock::now());
    const auto wait = std::clamp<milliseconds::rep>(left.count(), 0, 60 * 60 * 1000);
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(wait));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return ready;
    if (steady_clock::now() >= limit) return 0;
  }
}

}  // namespace

std::string ExitStatus::str() const {
  if (signal == 0) return "exit code " + std::to_string(code);
  const char* words = ::sigdescr_np(signal);
  return "signal " + std::to_string(signal) +
         (words == nullptr ? "" : " (" + std::string(words) + ")");
}

struct Process::Impl {
  Impl(const Command& command, StartedProgram started)
      : name(command.name()),
        limit(command.deadline),
        deadline(steady_clock::now() + command.deadline),
        stop(command.stop),
        program(std::move(started)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { end(); }

  /// Which of our ends can go on without blocking.
  struct Ready {
    bool input = false;
    bool output = false;
  };
  Result<Ready> wait_for(bool want_input, bool want_output);
  Result<std::size_t> read_some(std::span<char> buffer);
  Result<Pipe> write_some(std::string_view& bytes);
  Result<void> load(ByteSource& input, std::span<char> block, std::string_view& bytes);
  Result<void> feed(std::string_view& bytes);
  Result<void> pass_on(std::span<char> block, ByteSink& output);
  Result<ExitStatus> reap();
  Error fail(Error error);
  void read_errors();
  void note_exit();
  void end();

  std::string name;
  milliseconds limit;
  steady_clock::time_point deadline;
  StopSignal stop;
  StartedProgram program;
  bool exited = false;
  bool reaped = false;
  std::optional<Error> failure{};
  std::string error_text{};
};

/// Everything is over: closes the pipes and leaves no process behind.
void Process::Impl::end() {
  program.input = UniqueFd();
  program.output = UniqueFd();
  program.errors = UniqueFd();
  if (std::exchange(reaped, true)) return;
  if (!exited) {
    ::kill(-program.pid, SIGTERM);
    ::kill(-program.pid, SIGCONT);  // A stopped program would not notice.
    pollfd ended{program.exit.get(), POLLIN, 0};
    poll_until({&ended, 1}, steady_clock::now() + kGrace);
  }
  // Before the leader is reaped: until then no other group can have its number.
  ::kill(-program.pid, SIGKILL);
  while (::waitpid(program.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Error Process::Impl::fail(Error error) {
  failure = error;
  end();
  return error;
}

void Process::Impl::note_exit() {
  exited = true;
  ::kill(-program.pid, SIGKILL);  // What it started and did not wait for.
  read_errors();
}

void Process::Impl::read_errors() {
  std::array<char, 4096> block;
  for (int blocks = 0; blocks < kErrorBlocks && program.errors.valid(); ++blocks) {
    const auto got = ::read(program.errors.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) program.errors = UniqueFd();
    if (got > 0) error_text.append(block.data(), static_cast<std::size_t>(got));
    if (error_text.size() > 2 * kMaxErrorBytes)
      error_text.erase(0, error_text.size() - kMaxErrorBytes);
  }
}

/// Waits until a wanted pipe is ready or the program has ended, and reads its errors meanwhile.
Result<Process::Impl::Ready> Process::Impl::wait_for(bool want_input, bool want_output) {
  const auto fd_if = [](bool wanted, const UniqueFd& fd) { return wanted ? fd.get() : -1; };
  while (!exited) {
    if (failure) return *failure;
    std::array<pollfd, 5> fds = {pollfd{program.exit.get(), POLLIN, 0},
                                 pollfd{stop.fd(), POLLIN, 0},
                                 pollfd{program.errors.get(), POLLIN, 0},
                                 pollfd{fd_if(want_input, program.input), POLLOUT, 0},
                                 pollfd{fd_if(want_output, program.output), POLLIN, 0}};
    const int count = poll_until(fds, deadline);
    if (count < 0) return fail(errno_error(errno, "cannot wait for", name));
    if (fds[2].revents != 0) read_errors();
    if (fds[0].revents != 0)
      note_exit();  // First: what ended in time is not late because we looked late.
    else if (fds[1].revents != 0)
      return fail(Error(Errc::kCancelled, name + " was stopped"));
    else if (count == 0 || steady_clock::now() >= deadline)
      return fail(deadline_error(name, limit));
    const Ready ready{fds[3].revents != 0, fds[4].revents != 0};
    if (ready.input || ready.output) return ready;
  }
  return Ready{};
}

/// 0 = the end. Nothing to read is the end too when the program is gone: a daemon that it left may
/// hold the pipe open for ever.
Result<std::size_t> Process::Impl::read_some(std::span<char> buffer) {
  while (program.output.valid()) {
    const auto got = ::read(program.output.get(), buffer.data(), buffer.size());
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && !exited) {
      KILN_TRY(wait_for(false, true));
      continue;
    }
    program.output = UniqueFd();
  }
  if (failure) return *failure;
  return std::size_t{0};
}

/// Takes from `bytes` what the pipe takes now.
Result<Pipe> Process::Impl::write_some(std::string_view& bytes) {
  const auto written = write_quietly(program.input.get(), bytes);
  if (written >= 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  if (written >= 0 || errno == EAGAIN || errno == EINTR) return Pipe::kOpen;
  if (errno == EPIPE) return Pipe::kClosed;
  return fail(errno_error(errno, "cannot write to", name));
}

/// Gets the next `bytes` to write, as long as there is somebody to write to.
Result<void> Process::Impl::load(ByteSource& input, std::span<char> block,
                                 std::string_view& bytes) {
  if (!program.input.valid()) return {};
  auto got = input.read(block);
  if (!got) return fail(std::move(got).error());
  bytes = std::string_view(block.data(), *got);
  if (bytes.empty()) program.input = UniqueFd();
  return {};
}

/// As write_some(); closes the pipe when nobody reads it any more.
Result<void> Process::Impl::feed(std::string_view& bytes) {
  auto pipe = write_some(bytes);
  if (!pipe) return std::move(pipe).error();
  if (*pipe == Pipe::kClosed) program.input = UniqueFd();
  return {};
}

/// Gives `output` what there is to read now.
Result<void> Process::Impl::pass_on(std::span<char> block, ByteSink& output) {
  auto got = read_some(block);
  if (!got) return std::move(got).error();
  if (*got == 0) return {};
  auto taken = output.write(std::string_view(block.data(), *got));
  if (!taken) return fail(std::move(taken).error());
  return {};
}

Result<ExitStatus> Process::Impl::reap() {
  if (failure) return *failure;  // It is reaped already: its number may be another's by now.
  read_errors();
  reaped = true;
  int status = 0;
  pid_t got = 0;
  do got = ::waitpid(program.pid, &status, 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail(errno_error(errno, "cannot tell how it ended:", name));
  ExitStatus ended;
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  failure = Error(Errc::kInternal, name + " has ended and was waited for already");
  end();
  return ended;
}

Process::Process(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Process::Process(Process&&) noexcept = default;
Process::~Process() = default;

Result<Process> Process::start(const Command& command) {
  auto started = start_program(command);
  if (!started) return std::move(started).error();
  return Process(std::make_unique<Impl>(command, std::move(*started)));
}

Result<std::size_t> Process::read(std::span<char> buffer) {
  // Looks at the deadline first: a program that never stops talking never lets us wait.
  if (impl_->program.output.valid()) KILN_TRY(impl_->wait_for(false, true));
  return impl_->read_some(buffer);
}

Result<void> Process::write(std::string_view bytes) {
  auto& self = *impl_;
  while (!bytes.empty()) {
    if (self.failure) return *self.failure;
    auto pipe = self.program.input.valid() ? Pipe::kOpen : Pipe::kClosed;
    if (pipe == Pipe::kOpen) {
      KILN_TRY(self.wait_for(true, false));
      auto written = self.exited ? Pipe::kClosed : self.write_some(bytes);
      if (!written) return std::move(written).error();
      pipe = *written;
    }
    if (pipe == Pipe::kClosed) {
      close_input();
      return Error(Errc::kUnavailable, self.name + " reads no more input");
    }
  }
  return {};
}

void Process::close_input() {
  impl_->program.input = UniqueFd();
}

Result<ExitStatus> Process::exchange(ByteSource& input, ByteSink& output) {
  auto& self = *impl_;
  std::vector<char> in_block(kBlockBytes);
  std::vector<char> out_block(kBlockBytes);
  std::string_view pending;
  while (!self.exited || self.program.output.valid()) {
    if (pending.empty()) KILN_TRY(self.load(input, in_block, pending));
    auto ready = self.wait_for(true, true);
    if (!ready) return std::move(ready).error();
    if (ready->input) KILN_TRY(self.feed(pending));
    if (ready->output || self.exited) KILN_TRY(self.pass_on(out_block, output));
  }
  return self.reap();
}

Result<ExitStatus> Process::wait() {
  close_input();
  MemorySource nothing("");
  struct Nowhere final : ByteSink {
    Result<void> write(std::string_view) override { return {}; }
  } nowhere;
  return exchange(nothing, nowhere);
}

const std::string& Process::errors() const {
  return impl_->error_text;
}

Result<ProcessResult> run_process(const Command& command, std::string_view input,
                                  std::uint64_t output_limit_bytes) {
  auto process = Process::start(command);
  if (!process) return std::move(process).error();
  MemorySource source(input);
  StringSink sink(output_limit_bytes);
  auto status = process->exchange(source, sink);
  if (!status) {
    // The deadline's message has the name already, the sink's has not.
    if (status.error().code != Errc::kInvalid) return std::move(status).error();
    return std::move(status).error().while_doing("the output of " + command.name());
  }
  ProcessResult result;
  result.status = *status;
  result.output = sink.take();
  result.errors = process->errors();
  return result;
}

}  // namespace kiln
