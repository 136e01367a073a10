#include "core/base/program.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "core/base/process.h"
#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::IsOk;

/// What a program says, or why it does not.
std::string output_of(const Command& command) {
  const auto ran = run_process(command);
  if (!ran) return ran.error().message;
  return ran->output + ran->errors;
}

std::string output_of_shell(const std::string& script, const ProgramLimits& limits = {}) {
  Command command("/bin/sh", {"-c", script});
  command.limits = limits;
  return output_of(command);
}

/// The kernel's `struct sigaction`, for signals that the library's own function refuses.
struct KernelAction {
  std::uintptr_t handler = 0;
  std::array<std::uint64_t, 7> rest{};
};
constexpr std::uintptr_t kKernelIgnore = 1;

class Programs : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto* folder : {"first", "second"})
      std::filesystem::create_directory(directory_.path() / folder);
  }
  std::filesystem::path add(const std::string& name, const std::string& text, mode_t mode = 0755) {
    const auto path = directory_.path() / name;
    EXPECT_THAT(write_file_atomically(path, text, mode), IsOk());
    return path;
  }
  std::string in(const std::string& name) const { return (directory_.path() / name).string(); }

  TempDir directory_ = *TempDir::create("kiln-test");
};

// --- Finding one ---------------------------------------------------------------------------------

TEST_F(Programs, AreFoundInTheFirstFolderThatHasThem) {
  const auto second = add("second/tool", "");
  EXPECT_EQ(*find_program("tool", in("first") + ":" + in("second")), second);

  const auto first = add("first/tool", "");
  EXPECT_EQ(*find_program("tool", in("first") + ":" + in("second")), first);
}

TEST_F(Programs, AreExecutableFiles) {
  add("first/tool", "", 0644);
  std::filesystem::create_directory(in("first/folder"));
  const auto good = add("second/tool", "");

  EXPECT_EQ(*find_program("tool", in("first") + ":" + in("second")), good);
  EXPECT_THAT(find_program("folder", in("first")),
              FailsWith(Errc::kNotFound, "there is no program folder on PATH"));
}

TEST_F(Programs, AreNotFoundThroughFoldersThatDependOnTheWorkingDirectory) {
  add("first/tool", "");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(in("first"));
  for (const auto* path : {".", "", ":", "../first", ":.:"})
    EXPECT_THAT(find_program("tool", path), FailsWith(Errc::kNotFound, "no program tool")) << path;
  std::filesystem::current_path(before);
}

TEST_F(Programs, HaveNamesAndNoPaths) {
  add("first/tool", "");
  for (const auto* name : {"", "/bin/sh", "../first/tool", "first/tool"})
    EXPECT_THAT(find_program(name, directory_.path().string()),
                FailsWith(Errc::kInvalid, "is not the name of a program"))
        << name;
}

TEST_F(Programs, GivenByNameAreFoundOnOurPath) {
  EXPECT_EQ(output_of(Command("echo", {"found"})), "found\n");
  EXPECT_THAT(run_process(Command("no-such-program-of-kiln")),
              FailsWith(Errc::kNotFound, "no-such-program-of-kiln"));
}

// --- What it gets --------------------------------------------------------------------------------

TEST_F(Programs, GetTheirArgumentsAsTheyAre) {
  const Command command("/usr/bin/printf", {"[%s]", "a b", "$HOME; exit", "", "*"});
  EXPECT_EQ(output_of(command), "[a b][$HOME; exit][][*]");
}

TEST_F(Programs, GetTheEnvironmentOfTheCommandAndNothingOfOurs) {
  ::setenv("KILN_TEST_SECRET", "ours", 1);
  Command command("/usr/bin/env");
  command.environment = {{"A", "1"}, {"B", "two = 2"}};

  EXPECT_EQ(output_of(command), "A=1\nB=two = 2\n");

  EXPECT_EQ(variable(own_environment(), "KILN_TEST_SECRET"), "ours");
  EXPECT_EQ(variable(own_environment(), "KILN_TEST_NOT_SET"), "");
  ::unsetenv("KILN_TEST_SECRET");
}

TEST_F(Programs, WorkInTheFolderOfTheCommand) {
  Command command("/bin/pwd");
  command.directory = in("first");
  EXPECT_EQ(output_of(command), in("first") + "\n");
}

TEST_F(Programs, GetNoDescriptorsButTheirThree) {
  ASSERT_EQ(::dup2(STDERR_FILENO, 200), 200);  // Not close-on-exec.
  EXPECT_EQ(output_of_shell("for i in 3 4 5 6 7 8 9 200; do"
                            " [ -e /proc/$$/fd/$i ] && echo $i; done"),
            "");
  ::close(200);
}

TEST_F(Programs, GetTheirThreeAlsoWhenWeLackThem) {
  const UniqueFd kept(::dup(STDIN_FILENO));
  ::close(STDIN_FILENO);
  const auto ran = run_process(Command("/bin/cat"), "through");
  ::dup2(kept.get(), STDIN_FILENO);

  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->output, "through");
}

TEST_F(Programs, StartWithDefaultSignalsWhateverWeIgnoreOrHoldBack) {
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  const auto handler = ::signal(SIGHUP, SIG_IGN);

  const auto told = output_of(Command("/bin/grep", {"-E", "Sig(Blk|Ign)", "/proc/self/status"}));

  ::signal(SIGHUP, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(told, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(Programs, StartWithDefaultSignalsAlsoWhereTheLibraryKeepsASignalForItself) {
  // A make that uses posix_spawn() leaves this signal ignored in what it starts.
  constexpr int kLibrarysOwn = 32;
  KernelAction ignore;
  ignore.handler = kKernelIgnore;
  KernelAction before;
  ASSERT_EQ(::syscall(SYS_rt_sigaction, kLibrarysOwn, &ignore, &before, 8), 0);

  const auto told = output_of(Command("/bin/grep", {"SigIgn", "/proc/self/status"}));

  ::syscall(SYS_rt_sigaction, kLibrarysOwn, &before, nullptr, 8);
  EXPECT_EQ(told, "SigIgn:\t0000000000000000\n");
}

TEST_F(Programs, LeadAProcessGroupOfTheirOwn) {
  const auto started = start_program(Command("/bin/cat"));
  ASSERT_THAT(started, IsOk());

  EXPECT_EQ(::getpgid(started->pid), started->pid);

  ::kill(started->pid, SIGKILL);
  EXPECT_EQ(::waitpid(started->pid, nullptr, 0), started->pid);
}

TEST_F(Programs, AreHeldToTheirLimits) {
  ProgramLimits limits;
  limits.cpu_seconds = 7;
  limits.file_bytes = 1024;
  limits.address_space_bytes = std::uint64_t{512} * 1024 * 1024;

  EXPECT_EQ(output_of_shell("ulimit -t; ulimit -f; ulimit -v", limits), "7\n2\n524288\n");
  EXPECT_NE(output_of_shell("ulimit -t"), "7\n");
}

TEST_F(Programs, CanBeWaitedForThoughWhoStartedUsIgnoresChildren) {
  const auto handler = ::signal(SIGCHLD, SIG_IGN);

  const auto ran = run_process(Command("/bin/sh", {"-c", "exit 5"}));

  ::signal(SIGCHLD, handler);
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->status.code, 5);
}

// --- What cannot be started ----------------------------------------------------------------------

TEST_F(Programs, ThatAreNotThereAreNamed) {
  EXPECT_THAT(run_process(Command(in("missing"))), FailsWith(Errc::kNotFound, in("missing")));
  EXPECT_THAT(run_process(Command(add("first/text", "", 0644))),
              FailsWith(Errc::kDenied, "first/text"));
  EXPECT_THAT(run_process(Command(add("first/unknown", "no format of programs\n"))),
              FailsWith(Errc::kInvalid, "first/unknown"));
}

TEST_F(Programs, InAFolderThatIsNotThereAreNotRun) {
  Command command("/bin/pwd");
  command.directory = in("missing");
  EXPECT_THAT(run_process(command),
              FailsWith(Errc::kNotFound, "cannot run pwd in " + in("missing")));
}

TEST_F(Programs, CannotGetWhatNoSystemCanPass) {
  EXPECT_THAT(run_process(Command("/bin/echo", {std::string("a\0b", 3)})),
              FailsWith(Errc::kInvalid, "a NUL byte cannot be passed to echo"));
  EXPECT_THAT(run_process(Command("/bin/echo", {std::string(1024 * 1024, 'x')})),
              FailsWith(Errc::kInvalid, "cannot run /bin/echo: Argument list too long"));

  Command command("/usr/bin/env");
  command.environment = {{"A=B", "1"}};
  EXPECT_THAT(run_process(command), FailsWith(Errc::kInvalid, "\"A=B\""));
}

}  // namespace
}  // namespace kiln
