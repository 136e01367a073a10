#include "core/base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <thread>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using std::chrono::milliseconds;
using testing::FailsWith;
using testing::IsOk;

constexpr std::size_t kMiB = 1024 * 1024;

Command shell(const std::string& script, std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), {"-c", script});
  Command command("/bin/sh", std::move(arguments));
  command.environment = {{"PATH", "/usr/bin:/bin"}};
  return command;
}

Command shell_for(milliseconds deadline, const std::string& script) {
  auto command = shell(script);
  command.deadline = deadline;
  return command;
}

class Processes : public ::testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
    EXPECT_EQ(errno, ECHILD);
  }
};

/// Tells when the last process is gone that held it open for writing.
class Witness {
 public:
  Witness() {
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  std::string path() const { return path_.string(); }
  bool all_gone() const {
    pollfd ended{fd_.get(), 0, 0};
    return ::poll(&ended, 1, 10'000) == 1;
  }

 private:
  TempDir directory_ = *TempDir::create("kiln-test");
  std::filesystem::path path_ = directory_.path() / "fifo";
  UniqueFd fd_;
};

std::string read_block(Process& process) {
  std::array<char, 4096> block;
  const auto got = process.read(block);
  EXPECT_THAT(got, IsOk());
  return got ? std::string(block.data(), *got) : std::string();
}

/// The error that reading ends with; what comes before is dropped.
Error read_to_the_error(Process& process) {
  std::array<char, 4096> block;
  for (;;) {
    auto got = process.read(block);
    if (!got) return std::move(got).error();
    if (*got == 0) return {Errc::kInternal, "it ended"};
  }
}

// --- What comes out ------------------------------------------------------------------------------

TEST_F(Processes, AnswersWhatTheProgramSaidAndHowItEnded) {
  const auto ran = run_process(shell("cat; echo oops >&2; exit 3"), "hello");

  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->output, "hello");
  EXPECT_EQ(ran->errors, "oops\n");
  EXPECT_EQ(ran->status.str(), "exit code 3");
  EXPECT_FALSE(ran->status.ok());
}

TEST_F(Processes, NamesTheSignalThatEndedIt) {
  const auto ran = run_process(shell("kill -9 $$"));

  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->status.str(), "signal 9 (Killed)");
  EXPECT_FALSE(ran->status.ok());
}

TEST_F(Processes, CarriesMoreThanPipesHoldBothWaysAtOnce) {
  std::string much(3 * kMiB, 'x');
  much[kMiB] = '\0';

  const auto ran = run_process(Command("/bin/cat"), much, 3 * kMiB);

  ASSERT_THAT(ran, IsOk());
  EXPECT_TRUE(ran->output == much);
}

TEST_F(Processes, RefusesMoreOutputThanTheLimit) {
  EXPECT_THAT(run_process(shell("exec cat /dev/zero"), "", 1000),
              FailsWith(Errc::kInvalid, "the output of sh"));
}

TEST_F(Processes, KeepsTheEndOfManyErrors) {
  const auto ran = run_process(shell("head -c 100000 /dev/zero >&2; echo the end >&2"));

  ASSERT_THAT(ran, IsOk());
  EXPECT_TRUE(ran->errors.ends_with("the end\n"));
  EXPECT_GE(ran->errors.size(), 16u * 1024);
  EXPECT_LE(ran->errors.size(), 36u * 1024);
}

TEST_F(Processes, ReadsWhatWasSaidBeforeTheEndAlsoAfterIt) {
  auto process = Process::start(shell("echo one; read line; echo $line"));
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(read_block(*process), "one\n");

  ASSERT_THAT(process->write("two\n"), IsOk());

  EXPECT_EQ(read_block(*process), "two\n");
  EXPECT_EQ(read_block(*process), "");
  EXPECT_TRUE(process->wait()->ok());
}

// --- What goes in --------------------------------------------------------------------------------

TEST_F(Processes, NeedNotReadTheirInput) {
  const auto ran = run_process(shell("exit 0"), std::string(kMiB, 'x'));

  ASSERT_THAT(ran, IsOk());
  EXPECT_TRUE(ran->status.ok());
}

TEST_F(Processes, WritingToOneThatReadsNoMoreIsAnErrorAndNoSignal) {
  auto process = Process::start(shell("exec <&-; echo closed; read line; exec cat"));
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(read_block(*process), "closed\n");

  EXPECT_THAT(process->write(std::string(kMiB, 'x')),
              FailsWith(Errc::kUnavailable, "sh reads no more input"));

  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST_F(Processes, LeaveASigpipeOfSomebodyElseWhereItIs) {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  ::pthread_kill(::pthread_self(), SIGPIPE);

  EXPECT_THAT(run_process(shell("exit 0"), std::string(kMiB, 'x')), IsOk());

  ::sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 1);
  const timespec now{};
  EXPECT_EQ(::sigtimedwait(&pipe_signal, nullptr, &now), SIGPIPE);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(Processes, AreStoppedWhenTheirInputCannotBeRead) {
  struct Broken final : ByteSource {
    Result<std::size_t> read(std::span<char>) override {
      return Error(Errc::kCorrupt, "broken source");
    }
  } broken;
  StringSink sink;
  auto process = Process::start(Command("/bin/cat"));
  ASSERT_THAT(process, IsOk());

  EXPECT_THAT(process->exchange(broken, sink), FailsWith(Errc::kCorrupt, "broken source"));
  EXPECT_THAT(process->wait(), FailsWith(Errc::kCorrupt, "broken source"));
}

// --- The end -------------------------------------------------------------------------------------

struct Endless {
  std::string name, script;
};
void PrintTo(const Endless& row, std::ostream* out) {
  *out << row.name;
}
class Deadlines : public ::testing::TestWithParam<Endless> {};
TEST_P(Deadlines, EndWhatDoesNotEnd) {
  EXPECT_THAT(run_process(shell_for(milliseconds(60), GetParam().script), "", UINT64_MAX),
              FailsWith(Errc::kTimeout, "sh took longer than 60ms"));
}
INSTANTIATE_TEST_SUITE_P(Table, Deadlines,
                         ::testing::Values(Endless{"Silent", "exec sleep 60"},
                                           Endless{"Talking",
                                                   "while :; do echo on and on; done >/dev/null"},
                                           Endless{"Complaining", "exec cat /dev/zero >&2"},
                                           Endless{"Stopped", "kill -STOP $$; exec sleep 60"},
                                           Endless{"DeafToSigterm", "trap '' TERM; exec sleep 60"}),
                         [](const auto& test) { return test.param.name; });

TEST_F(Processes, MeetTheirDeadlineEvenWhenThereIsAlwaysMoreToRead) {
  auto process = Process::start(shell_for(milliseconds(60), "exec cat /dev/zero"));
  ASSERT_THAT(process, IsOk());

  const auto error = read_to_the_error(*process);

  EXPECT_EQ(error.code, Errc::kTimeout);
  EXPECT_EQ(error.message, "sh took longer than 60ms");
  EXPECT_THAT(process->wait(), FailsWith(Errc::kTimeout, "sh took longer"));
}

TEST_F(Processes, EndWhenAStopIsAskedFor) {
  std::stop_source stop;
  auto command = shell("echo up; exec sleep 60");
  command.stop = stop.get_token();
  auto process = Process::start(command);
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(read_block(*process), "up\n");

  const std::jthread other([&] { stop.request_stop(); });

  EXPECT_EQ(read_to_the_error(*process).code, Errc::kCancelled);
  EXPECT_THAT(process->write("x"), FailsWith(Errc::kCancelled, "sh was stopped"));
}

TEST_F(Processes, TakeWhatTheyStartedWithThem) {
  const Witness witness;

  const auto ran = run_process(shell("exec 3>\"$0\"; sleep 60 & exit 0", {witness.path()}));

  ASSERT_THAT(ran, IsOk());
  EXPECT_TRUE(ran->status.ok());
  EXPECT_TRUE(witness.all_gone());
}

TEST_F(Processes, AreGoneWithAllTheyStartedWhenTheObjectIs) {
  const Witness witness;
  {
    auto process =
        Process::start(shell("exec 3>\"$0\"; sleep 60 & echo up; wait", {witness.path()}));
    ASSERT_THAT(process, IsOk());
    EXPECT_EQ(read_block(*process), "up\n");
  }
  EXPECT_TRUE(witness.all_gone());
}

TEST_F(Processes, AreNotWaitedForBeyondTheirEndBecauseOfADaemonThatHoldsTheirOutput) {
  auto process = Process::start(shell("setsid sh -c 'echo $$; exec sleep 60' & exec cat"));
  ASSERT_THAT(process, IsOk());
  const auto daemon = static_cast<pid_t>(std::stoi(read_block(*process)));

  const auto ended = process->wait();

  ASSERT_THAT(ended, IsOk());
  EXPECT_TRUE(ended->ok());
  EXPECT_EQ(::kill(daemon, SIGKILL), 0) << "it had a session of its own";
}

TEST_F(Processes, AreWaitedForOnce) {
  auto process = Process::start(shell("exit 0"));
  ASSERT_THAT(process, IsOk());

  EXPECT_THAT(process->wait(), IsOk());
  EXPECT_THAT(process->wait(), FailsWith(Errc::kInternal, "was waited for already"));
}

TEST_F(Processes, ThatEndedInTimeAreNotLateWhenTheyAreLookedAtLate) {
  auto command = shell("echo done");
  command.deadline = milliseconds(0);
  auto process = Process::start(command);
  ASSERT_THAT(process, IsOk());
  siginfo_t info;
  ASSERT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);

  EXPECT_EQ(read_block(*process), "done\n");
  EXPECT_TRUE(process->wait()->ok());
}

}  // namespace
}  // namespace kiln
