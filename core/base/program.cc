#include "core/base/program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace kiln {
namespace {

enum class Step : int { kDirectory, kLimits, kProgram };

/// What the child tells us when it cannot become the program.
struct Report {
  Step step;
  int error;
};

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

/// Close-on-exec, and never one of 0, 1 and 2, which the child puts its own pipes on.
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "cannot make", "a pipe");
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  for (auto* end : {&pipe.read_end, &pipe.write_end}) {
    if (end->get() > STDERR_FILENO) continue;
    UniqueFd higher(::fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!higher.valid()) return errno_error(errno, "cannot make", "a pipe");
    *end = std::move(higher);
  }
  return pipe;
}

void set_nonblocking(const UniqueFd& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

using Limit = std::pair<decltype(RLIMIT_CPU), rlim_t>;

std::vector<Limit> limits_of(const ProgramLimits& limits) {
  std::vector<Limit> list;
  const auto add = [&](auto resource, const std::optional<std::uint64_t>& value) {
    if (value) list.emplace_back(resource, static_cast<rlim_t>(*value));
  };
  add(RLIMIT_CPU, limits.cpu_seconds);
  add(RLIMIT_AS, limits.address_space_bytes);
  add(RLIMIT_FSIZE, limits.file_bytes);
  return list;
}

/// The command in the form that execve() takes. Lifetime: points into itself and into the command.
struct Launch {
  explicit Launch(const Command& command, const std::filesystem::path& found)
      : program(found.string()), directory(command.directory.string()) {
    arguments.push_back(command.program.string());
    for (const auto& argument : command.arguments) arguments.push_back(argument);
    for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
    for (auto& argument : arguments) argv.push_back(argument.data());
    for (auto& one : variables) envp.push_back(one.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    limits = limits_of(command.limits);
  }
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  std::string program;
  std::string directory;
  std::vector<std::string> arguments;
  std::vector<std::string> variables;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<Limit> limits;
  int input = -1;
  int output = -1;
  int errors = -1;
  int report = -1;
};

/// The kernel's `struct sigaction` for SIG_DFL with no flags: all zero, and at most 32 bytes on
/// Linux.
struct KernelSignalAction {
  alignas(8) unsigned char zero[64];
};
constexpr KernelSignalAction kDefaultAction{};
constexpr std::size_t kKernelSignalSetBytes = _NSIG / 8;

[[noreturn]] void give_up(const Launch& launch, Step step) {
  const Report report{step, errno};
  [[maybe_unused]] const auto written = ::write(launch.report, &report, sizeof report);
  ::_exit(127);
}

/// The child's way to the program. It has our memory and our stack until execve(), so here nothing
/// allocates, locks or returns; what it needs was made before.
[[noreturn]] void become(const Launch& launch) {
  ::setpgid(0, 0);
  // A handler of ours would run in our memory; a signal that we ignore would stay ignored. By the
  // system call: the library's sigaction() refuses the two signals that it keeps for itself, which
  // posix_spawn() of a parent can leave ignored.
  for (int signal = 1; signal < NSIG; ++signal)
    ::syscall(SYS_rt_sigaction, signal, &kDefaultAction, nullptr, kKernelSignalSetBytes);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  ::dup2(launch.input, STDIN_FILENO);
  ::dup2(launch.output, STDOUT_FILENO);
  ::dup2(launch.errors, STDERR_FILENO);
  // Libraries do not make all of their sockets close-on-exec.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  if (!launch.directory.empty() && ::chdir(launch.directory.c_str()) != 0)
    give_up(launch, Step::kDirectory);
  for (const auto& [resource, value] : launch.limits) {
    const rlimit limit{value, value};
    if (::setrlimit(resource, &limit) != 0) give_up(launch, Step::kLimits);
  }
  ::execve(launch.program.c_str(), launch.argv.data(), launch.envp.data());
  give_up(launch, Step::kProgram);
}

/// What the child reported; nullopt when it became the program, which closes the pipe.
std::optional<Report> read_report(const UniqueFd& pipe) {
  Report report{};
  ssize_t got = 0;
  do got = ::read(pipe.get(), &report, sizeof report);
  while (got < 0 && errno == EINTR);
  if (got != sizeof report) return std::nullopt;
  return report;
}

/// vfork, because a copy of a large process's page tables takes longer than most programs. All
/// signals are held back until the child has no handlers of ours any more.
pid_t start_child(const Launch& launch) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork): see become()
  if (pid == 0) become(launch);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

/// By number: glibc 2.36 declares its pidfd_open() to C only. Close-on-exec by itself.
int open_pidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Error start_error(const Command& command, const Report& report) {
  if (report.step == Step::kDirectory)
    return errno_error(report.error, "cannot run " + command.name() + " in", command.directory);
  if (report.step == Step::kLimits)
    return errno_error(report.error, "cannot limit", command.program);
  if (report.error == ENOEXEC || report.error == E2BIG)
    return {Errc::kInvalid, "cannot run " + command.program.string() + ": " +
                                std::system_category().message(report.error)};
  return errno_error(report.error, "cannot run", command.program);
}

bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

Result<void> check(const Command& command) {
  bool nul = has_nul(command.program.string()) || has_nul(command.directory.string());
  for (const auto& argument : command.arguments) nul = nul || has_nul(argument);
  for (const auto& [name, value] : command.environment) {
    nul = nul || has_nul(name) || has_nul(value);
    if (name.empty() || name.find('=') != std::string::npos)
      return Error(Errc::kInvalid, "no environment variable can be called \"" + name + "\"");
  }
  if (nul)
    return Error(Errc::kInvalid, "a NUL byte cannot be passed to " + std::string(command.name()));
  return {};
}

Result<std::filesystem::path> located(const Command& command) {
  if (command.program.is_absolute()) return command.program;
  return find_program(command.program.string(), variable(own_environment(), "PATH"));
}

/// Who ignores SIGCHLD, perhaps because of the program that started us, never learns how a child
/// ended.
void be_told_of_children() {
  struct sigaction now {};
  if (::sigaction(SIGCHLD, nullptr, &now) == 0 && now.sa_handler == SIG_IGN)
    ::signal(SIGCHLD, SIG_DFL);
}

}  // namespace

Environment own_environment() {
  Environment environment;
  for (char** at = ::environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view entry = *at;
    const auto equals = entry.find('=');
    if (equals == 0 || equals == entry.npos) continue;
    environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return environment;
}

std::string variable(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

Result<std::filesystem::path> find_program(std::string_view name, std::string_view search_path) {
  if (name.empty() || name.find('/') != name.npos)
    return Error(Errc::kInvalid, "\"" + std::string(name) + "\" is not the name of a program");
  while (!search_path.empty()) {
    const auto colon = search_path.find(':');
    const std::filesystem::path folder(search_path.substr(0, colon));
    search_path = colon == search_path.npos ? "" : search_path.substr(colon + 1);
    if (!folder.is_absolute()) continue;
    auto candidate = folder / name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored) &&
        ::access(candidate.c_str(), X_OK) == 0)
      return candidate;
  }
  return Error(Errc::kNotFound, "there is no program " + std::string(name) + " on PATH");
}

Result<StartedProgram> start_program(const Command& command) {
  KILN_TRY(check(command));
  auto path = located(command);
  if (!path) return std::move(path).error();
  std::array<Pipe, 4> pipes;
  for (auto& pipe : pipes) {
    auto made = make_pipe();
    if (!made) return std::move(made).error();
    pipe = std::move(*made);
  }
  auto& [input, output, errors, report] = pipes;
  Launch launch(command, *path);
  launch.input = input.read_end.get();
  launch.output = output.write_end.get();
  launch.errors = errors.write_end.get();
  launch.report = report.write_end.get();
  be_told_of_children();

  StartedProgram started;
  started.pid = start_child(launch);
  if (started.pid < 0) return errno_error(errno, "cannot start a process for", command.program);
  report.write_end = UniqueFd();
  if (const auto failure = read_report(report.read_end)) {
    reap(started.pid);
    return start_error(command, *failure);
  }
  started.exit = UniqueFd(open_pidfd(started.pid));
  if (!started.exit.valid()) {
    const int error = errno;
    ::kill(-started.pid, SIGKILL);
    reap(started.pid);
    return errno_error(error, "cannot watch", command.program);
  }
  started.input = std::move(input.write_end);
  started.output = std::move(output.read_end);
  started.errors = std::move(errors.read_end);
  for (const auto* end : {&started.input, &started.output, &started.errors}) set_nonblocking(*end);
  return started;
}

}  // namespace kiln
