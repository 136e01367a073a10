#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "tests/integration/git/git_fixture.h"

namespace kiln::source {
namespace {

class GitResolveTest : public GitHttpTest {
 protected:
  std::string resolve(std::chrono::milliseconds max_age) {
    auto wanted = request();
    wanted.ref.branch = "main";
    wanted.max_age = max_age;
    const auto revision = run(client->resolve(std::move(wanted)));
    return revision ? revision->commit : revision.error().message;
  }
  std::size_t times_asked() const {
    const auto all = server->requests();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& line) {
      return line.find("/info/refs") != std::string::npos;
    }));
  }
};

constexpr std::chrono::hours kLong{1};

RepositoryMaker::Files one_file(const std::string& text) {
  RepositoryMaker::Files files;
  files.emplace("a", text);
  return files;
}

TEST_F(GitResolveTest, AnAnswerIsSharedWithWhoTakesAnOldOne) {
  const auto made = repository();
  const auto first = made.commit(one_file("1"));
  EXPECT_EQ(resolve(kLong), first);

  const auto second = made.commit(one_file("2"));

  EXPECT_EQ(resolve(kLong), first);
  EXPECT_EQ(times_asked(), 1U);
  EXPECT_EQ(resolve(std::chrono::milliseconds(0)), second);
  EXPECT_EQ(times_asked(), 2U);
}

TEST_F(GitResolveTest, AnAnswerThatIsToBeForgottenIsNotGivenAgain) {
  const auto made = repository();
  const auto first = made.commit(one_file("1"));
  EXPECT_EQ(resolve(kLong), first);
  const auto second = made.commit(one_file("2"));

  client->forget("127.0.0.1/git/another");
  EXPECT_EQ(resolve(kLong), first);

  client->forget(request().url.repository_name());
  EXPECT_EQ(resolve(kLong), second);
  EXPECT_EQ(resolve(kLong), second);
  EXPECT_EQ(times_asked(), 2U);
}

TEST_F(GitResolveTest, ManyWhoPollAtTheSameTimeAreOneQuestion) {
  const auto commit = repository().commit(one_file("1"));
  std::size_t right = 0;
  for (int i = 0; i < 20; ++i) {
    auto wanted = request();
    wanted.ref.branch = "main";
    wanted.max_age = std::chrono::minutes(1);
    boost::asio::co_spawn(io, client->resolve(std::move(wanted)),
                          [&](const std::exception_ptr&, const Result<GitRevision>& revision) {
                            if (revision && revision->commit == commit) ++right;
                          });
  }

  io.restart();
  io.run_for(std::chrono::seconds(60));

  EXPECT_EQ(right, 20U);
  EXPECT_EQ(times_asked(), 1U);
}

TEST_F(GitResolveTest, WhatIsKnownIsNotReadAgainWhileTheRefStandsForIt) {
  const auto made = repository();
  made.commit(one_file("1"));
  auto wanted = request();
  const auto first = fetch(wanted);
  ASSERT_THAT(first, IsOk());
  forget_cache();
  wanted.known.emplace();
  wanted.known->revision = first->revision;
  wanted.known->identity = first->identity;

  const auto same = fetch(wanted);

  ASSERT_THAT(same, IsOk());
  EXPECT_TRUE(same->unread);
  EXPECT_EQ(same->identity, first->identity);
  EXPECT_EQ(same->commit->branch, "main");
  EXPECT_EQ(packs_in_cache(), 0U);

  made.commit(one_file("2"));
  const auto other = fetch(wanted);
  ASSERT_THAT(other, IsOk());
  EXPECT_FALSE(other->unread);
  EXPECT_NE(other->identity, first->identity);
}

class Heard final : public GitObserver {
 public:
  void did(Work work, bool well, std::chrono::steady_clock::duration) override {
    all.push_back(std::string(work == Work::kAsk ? "ask" : "fetch") + (well ? " well" : " badly"));
  }
  void fetched(std::uint64_t bytes) override { fetched_bytes += bytes; }
  std::vector<std::string> all;
  std::uint64_t fetched_bytes = 0;
};

TEST_F(GitResolveTest, AnObserverHearsOfEachQuestionAndFetch) {
  Heard heard;
  options.observer = &heard;
  new_client();
  repository().commit(one_file("1"));

  ASSERT_THAT(fetch(request()), IsOk());
  auto gone = request();
  gone.ref.branch = "gone";
  ASSERT_THAT(fetch(std::move(gone)), FailsWith(Errc::kNotFound, "there is no branch gone"));

  EXPECT_EQ(heard.all,
            (std::vector<std::string>{"ask well", "fetch well", "ask well", "fetch badly"}));
  client.reset();
}

TEST_F(GitResolveTest, AnObserverHearsHowMuchCame) {
  Heard heard;
  options.observer = &heard;
  new_client();
  repository().commit({{"large", noise(1)}});

  ASSERT_THAT(fetch(request()), IsOk());
  const auto first = heard.fetched_bytes;
  EXPECT_GT(first, 100'000U);
  EXPECT_LT(first, 110'000U);

  ASSERT_THAT(fetch(request()), IsOk());
  EXPECT_EQ(heard.fetched_bytes, first);

  repository().commit({{"large", noise(1)}, {"small", "bytes"}});
  ASSERT_THAT(fetch(request()), IsOk());
  EXPECT_GT(heard.fetched_bytes, first);
  EXPECT_LT(heard.fetched_bytes, first + 2'000);
  client.reset();
}

}  // namespace
}  // namespace kiln::source
