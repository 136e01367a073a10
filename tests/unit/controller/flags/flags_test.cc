#include "controller/flags/flags.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::flags {
namespace {

using namespace std::chrono_literals;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;

/// As the command line has them.
Flags parse(std::vector<std::string> words) {
  CLI::App app("test");
  Flags flags;
  add_flags(app, flags);
  std::reverse(words.begin(), words.end());  // As CLI11 wants them.
  app.parse(words);
  return flags;
}

/// What is printed of a wrong command line.
std::string complaint(std::vector<std::string> words) {
  CLI::App app("test");
  Flags flags;
  add_flags(app, flags);
  std::reverse(words.begin(), words.end());
  std::ostringstream out;
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    app.exit(error, out, out);
  }
  return out.str();
}

TEST(Flags, ThatThereAreNotAreNamedWithTheOneThatWasMeant) {
  const std::string see = "\nSee \"kiln-controller --help\".\n";
  EXPECT_EQ(complaint({"--kubecfg", "x"}),
            "error: there is no flag --kubecfg; did you mean --kubeconfig?" + see);
  EXPECT_EQ(complaint({"--wipe=secret"}), "error: there is no flag --wipe" + see);
  EXPECT_EQ(complaint({"x"}), "error: there are no arguments, only flags" + see);
  EXPECT_EQ(complaint({"--concurrent", "many"}).substr(0, 7), "error: ");
}

TEST(Flags, WithoutAnyOneReplicaWorksAlone) {
  const auto flags = parse({});
  EXPECT_FALSE(flags.leader_elect);
  EXPECT_EQ(flags.concurrent, 4U);
  const auto settings = read_settings(flags);
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings->delays.first, 750ms);
  EXPECT_EQ(settings->election.lease, 35s);
  EXPECT_EQ(settings->election.renew_deadline, 30s);
  EXPECT_EQ(settings->election.retry_period, 5s);
}

TEST(Flags, LeaderElectionIsNamedAsUsersOfControllerRuntimeAndOfFluxKnowIt) {
  for (const auto* name : {"--leader-elect", "--enable-leader-election"})
    EXPECT_TRUE(parse({name}).leader_elect) << name;
}

TEST(Flags, NothingIsRolledOutUnlessOneAsksForIt) {
  EXPECT_FALSE(parse({}).rollout);
  EXPECT_TRUE(parse({"--rollout"}).rollout);
}

TEST(Flags, WebhooksNeedAnAddressAndASecret) {
  EXPECT_FALSE(read_settings(parse({"--hooks-secret", "nonsense"}))->hooks_secret);
  const auto settings =
      read_settings(parse({"--hooks-addr", ":9292", "--hooks-secret", "kiln-system/hooks"}));
  ASSERT_THAT(settings, IsOk());
  ASSERT_TRUE(settings->hooks_secret);
  EXPECT_EQ(settings->hooks_secret->str(), "kiln-system/hooks");
}

struct BadFlags {
  std::string name;
  std::vector<std::string> words;
  std::string why;
};

class FlagsRejects : public ::testing::TestWithParam<BadFlags> {};

TEST_P(FlagsRejects, WithTheFlagAndWhatIsWrongWithIt) {
  EXPECT_THAT(read_settings(parse(GetParam().words)), FailsWith(Errc::kInvalid, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Settings, FlagsRejects,
    ::testing::ValuesIn(std::vector<BadFlags>{
        {"RetryDelay", {"--min-retry-delay", "soon"}, "--min-retry-delay"},
        {"Grace", {"--graceful-shutdown-timeout", "soon"}, "--graceful-shutdown-timeout"},
        {"Watch", {"--watch-timeout", "soon"}, "--watch-timeout"},
        {"ShortWatch", {"--watch-timeout", "1s"}, "--watch-timeout must be at least 2s"},
        {"Lease", {"--leader-election-lease-duration", "soon"}, "--leader-election-lease-duration"},
        {"RenewDeadline",
         {"--leader-election-renew-deadline", "x"},
         "--leader-election-renew-deadline"},
        {"RetryPeriod", {"--leader-election-retry-period", "x"}, "--leader-election-retry-period"},
        {"TermsThatCannotWork",
         {"--leader-election-lease-duration", "10s"},
         "the lease of leader election (10s) must last longer than the renew deadline (30s)"},
        {"Namespace", {"--watch-namespaces", "Team_A"}, "--watch-namespaces"},
        {"LogLevel", {"--log-level", "loud"}, "--log-level"},
        {"WebhooksWithoutTokens",
         {"--hooks-addr", ":9292"},
         "--hooks-secret: must be NAMESPACE/NAME"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::flags
