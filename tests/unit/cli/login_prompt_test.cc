#include "cli/login_prompt.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "core/base/file.h"
#include "tests/support/matchers.h"

namespace kiln::cli {
namespace {

using testing::FailsWith;
using testing::IsOk;

/// A terminal, and who sits in front of it.
class Terminal : public ::testing::Test {
 protected:
  Terminal() {
    int person = -1;
    int terminal = -1;
    EXPECT_EQ(::openpty(&person, &terminal, nullptr, nullptr, nullptr), 0);
    person_ = UniqueFd(person);
    terminal_ = UniqueFd(terminal);
  }
  void type(const std::string& text) {
    EXPECT_EQ(::write(person_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  bool echoes() const {
    termios now{};
    EXPECT_EQ(::tcgetattr(terminal_.get(), &now), 0);
    return (now.c_lflag & ECHO) != 0;
  }
  void wait_until_it_is_silent() const {
    while (echoes()) std::this_thread::yield();
  }
  /// What stands on the screen by now.
  std::string screen() const {
    pollfd there{person_.get(), POLLIN, 0};
    std::array<char, 4096> block;
    if (::poll(&there, 1, 0) != 1) return "";
    const auto got = ::read(person_.get(), block.data(), block.size());
    return {block.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }

  UniqueFd person_;
  UniqueFd terminal_;
};

TEST_F(Terminal, ShowsANameThatIsTyped) {
  type("me\n");

  const auto name = ask(terminal_.get(), "Username: ", Echo::kOn, {});

  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(*name, "me");
  EXPECT_EQ(screen(), "me\r\n");
}

TEST_F(Terminal, DoesNotShowASecretAndShowsAgainWhatComesAfter) {
  std::jthread person([&] {
    wait_until_it_is_silent();
    type("hunter2 \n");
  });

  const auto secret = ask(terminal_.get(), "Password: ", Echo::kOff, {});

  person.join();
  ASSERT_THAT(secret, IsOk());
  EXPECT_EQ(*secret, "hunter2 ");
  EXPECT_EQ(screen(), "");
  EXPECT_TRUE(echoes());
}

TEST_F(Terminal, ShowsAgainWhatIsTypedAfterAStop) {
  std::stop_source stop;
  const std::jthread person([&] {
    wait_until_it_is_silent();
    stop.request_stop();
  });

  const auto secret = ask(terminal_.get(), "Password: ", Echo::kOff, stop.get_token());

  EXPECT_THAT(secret, FailsWith(Errc::kCancelled, "interrupted"));
  EXPECT_TRUE(echoes());
}

TEST_F(Terminal, WhereNothingIsEnteredGivesNoSecret) {
  std::jthread person([&] {
    wait_until_it_is_silent();
    type("\x04");
  });

  EXPECT_THAT(ask(terminal_.get(), "Password: ", Echo::kOff, {}),
              FailsWith(Errc::kCancelled, "nothing was entered"));
  person.join();
  EXPECT_TRUE(echoes());
}

TEST(Prompt, NeedsATerminal) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  EXPECT_THAT(ask(reading.get(), "Password: ", Echo::kOff, {}),
              FailsWith(Errc::kInvalid, "there is no terminal"));
}

// --- From a pipe ---------------------------------------------------------------------------------

struct Piped {
  std::string name, written, secret;
};
void PrintTo(const Piped& row, std::ostream* out) {
  *out << row.name;
}
class SecretFromAPipe : public ::testing::TestWithParam<Piped> {};
TEST_P(SecretFromAPipe, IsAllButOneLineBreakAtTheEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reading(ends[0]);
  {
    const UniqueFd writing(ends[1]);
    ASSERT_THAT(FdSink(writing.get()).write(GetParam().written), IsOk());
  }
  const auto secret = read_secret(reading.get(), {});
  ASSERT_THAT(secret, IsOk());
  EXPECT_EQ(*secret, GetParam().secret);
}
INSTANTIATE_TEST_SUITE_P(Table, SecretFromAPipe,
                         ::testing::Values(Piped{"Plain", "secret", "secret"},
                                           Piped{"AsEchoWrites", "secret\n", "secret"},
                                           Piped{"AsWindowsWrites", "secret\r\n", "secret"},
                                           Piped{"SpacesCount", " secret \n", " secret "},
                                           Piped{"OnlyOneBreakGoes", "a\nb\n\n", "a\nb\n"},
                                           Piped{"MoreThanABlock", std::string(9000, 'x'),
                                                 std::string(9000, 'x')}),
                         [](const auto& test) { return test.param.name; });

TEST(SecretFromAFile, HasToBeThereAndHasALimit) {
  auto directory = *TempDir::create("kiln-test");
  const auto path = directory.path() / "secret";
  ASSERT_THAT(write_file_atomically(path, "\n"), IsOk());
  EXPECT_THAT(read_secret(open_for_reading(path)->get(), {}),
              FailsWith(Errc::kInvalid, "has no password"));
  ASSERT_THAT(write_file_atomically(path, std::string(70'000, 'x')), IsOk());
  EXPECT_THAT(read_secret(open_for_reading(path)->get(), {}),
              FailsWith(Errc::kInvalid, "larger than 64 KiB"));
}

TEST(SecretFromAPipe, IsNotWaitedForAfterAStop) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(read_secret(reading.get(), stop.get_token()),
              FailsWith(Errc::kCancelled, "interrupted"));
}

}  // namespace
}  // namespace kiln::cli
