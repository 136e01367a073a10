// Pointers of Git LFS, and servers of it, that mean harm.
#include "core/base/sha256.h"
#include "tests/integration/git/hostile_fixture.h"
#include "tests/integration/http/scripted_server.h"

namespace kiln::source {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kFilm = "a large film";

std::string pointer(const std::string& id, const std::string& size) {
  return "version https://git-lfs.github.com/spec/v1\noid sha256:" + id + "\nsize " + size + "\n";
}

class HostileLfsTest : public HostileRepositoryTest {
 protected:
  void SetUp() override {
    lfs.emplace([this](http::Peer& peer) {
      while (const auto asked = peer.read()) {
        seen += asked->head;
        if (asked->has("POST "))
          peer.answer(answer, "200 OK", "Content-Type: application/vnd.git-lfs+json\r\n");
        else
          peer.answer(bytes);
      }
    });
    lfs_port = lfs->port();
    HostileRepositoryTest::SetUp();
    answer = answer_with("http://127.0.0.1:" + std::to_string(lfs_port) + "/film");
  }
  static std::string answer_with(const std::string& address) {
    return R"({"objects":[{"oid":")" + sha256_hex(kFilm) + R"(","size":12,"actions":{"download":)" +
           R"({"href":")" + address + R"("}}}]})";
  }
  Result<Content> fetch_film(const std::string& id = sha256_hex(kFilm),
                             const std::string& size = "12") {
    commit_raw({file("film", pointer(id, size))});
    auto wanted = request();
    wanted.lfs = true;
    return fetch(wanted);
  }

  std::string answer, bytes = kFilm;
  std::string seen;  ///< Heads of all requests; written by the server's threads, one at a time.
  std::optional<http::ScriptedServer> lfs;
};

TEST_F(HostileLfsTest, AFileThatIsWhatItsIdSaysIsTaken) {
  const auto content = fetch_film();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "film"), kFilm);
}

TEST_F(HostileLfsTest, APointerIsNoFileWhereLfsIsOff) {
  commit_raw({file("film", pointer(sha256_hex(kFilm), "12"))});

  EXPECT_THAT(fetch(request()),
              FailsWith(Errc::kInvalid, "\"film\" is a pointer of Git LFS: set lfs, or leave it"));
}

struct BadPointer {
  std::string name, id, size, message;
};

class HostileLfsPointer : public HostileLfsTest,
                          public ::testing::WithParamInterface<BadPointer> {};

TEST_P(HostileLfsPointer, IsRefusedBeforeTheServerIsAsked) {
  EXPECT_THAT(fetch_film(GetParam().id, GetParam().size),
              FailsWith(Errc::kInvalid, GetParam().message));
  EXPECT_EQ(seen, "");
}

INSTANTIATE_TEST_SUITE_P(
    Pointers, HostileLfsPointer,
    ::testing::ValuesIn(std::vector<BadPointer>{
        {"WayOut", "../../../../../../../../../../../../../../../../../../../../etc/passwd", "12",
         "names its file by something else than sha256"},
        {"UpperCase", std::string(64, 'A'), "12", "names its file by something else than sha256"},
        {"TooShort", std::string(63, 'a') + "\n#", "12", "something else than sha256"},
        {"NegativeSize", sha256_hex(kFilm), "-12", "has no size"},
        {"SizeBeyondAllNumbers", sha256_hex(kFilm), "99999999999999999999", "has no size"},
        {"LargestSize", sha256_hex(kFilm), "9223372036854775807",
         "a file of Git LFS has 9223372036854775807 bytes, more than the limit of 4294967296"},
        {"SizeBeyondOneFile", sha256_hex(kFilm), "5000000000",
         "a file of Git LFS has 5000000000 bytes, more than the limit of 4294967296"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(HostileLfsTest, OtherBytesAreRefused) {
  bytes = "a large lie!";
  EXPECT_THAT(fetch_film(), FailsWith(Errc::kInvalid, "has other bytes than the repository says"));

  bytes = kFilm;
  EXPECT_THAT(fetch_film(), IsOk());
}

TEST_F(HostileLfsTest, MoreBytesAreRefused) {
  bytes = std::string(10 << 20, 'x');

  EXPECT_THAT(fetch_film(), FailsWith(Errc::kInvalid, "is larger than the repository says"));
  EXPECT_LT(bytes_in_cache(), 1U << 20);
}

TEST_F(HostileLfsTest, FewerBytesAreRefused) {
  bytes = "a";

  EXPECT_THAT(fetch_film(), FailsWith(Errc::kInvalid, "is smaller than the repository says"));
}

TEST_F(HostileLfsTest, WhatTheServerNamesPassesThePolicy) {
  answer = answer_with("http://169.254.169.254/latest/meta-data");

  EXPECT_THAT(fetch_film(), FailsWith(Errc::kEgressDenied, "169.254.169.254"));
}

TEST_F(HostileLfsTest, WhatTheServerNamesIsReadOverHttpAlone) {
  for (const auto& address : {"file://" + outside.path(), std::string("ext::evil"),
                              std::string("ftp://127.0.0.1/film"), outside.path()}) {
    answer = answer_with(address);
    EXPECT_THAT(fetch_film(), FailsWith(Errc::kInvalid, "the LFS server's address")) << address;
  }
}

TEST_F(HostileLfsTest, CredentialsDoNotGoWhereTheServerLeads) {
  std::string heads;
  http::ScriptedServer stranger([&](http::Peer& peer) {
    while (const auto asked = peer.read()) {
      heads += asked->head;
      peer.answer(kFilm);
    }
  });
  answer = answer_with(stranger.url("/film").str());
  commit_raw({file("film", pointer(sha256_hex(kFilm), "12"))});
  GitRequest wanted(server->url("/private/site.git"));
  wanted.credentials = who({{"username", "me"}, {"password", "correct horse"}}, wanted.url);
  wanted.lfs = true;

  ASSERT_THAT(fetch(wanted), IsOk());

  EXPECT_THAT(seen, HasSubstr("Authorization: Basic"));
  EXPECT_THAT(heads, HasSubstr("GET /film"));
  EXPECT_THAT(heads, Not(HasSubstr("uthorization")));
}

TEST_F(HostileLfsTest, TheRepositoryDoesNotSayWhichServerIsAsked) {
  http::ScriptedServer stranger([](http::Peer& peer) {
    if (peer.read()) peer.answer("", "404 Not Found");
  });
  commit_raw({file(".lfsconfig", "[lfs]\n\turl = " + stranger.url("/").str() + "\n"),
              file("film", pointer(sha256_hex(kFilm), "12"))});
  auto wanted = request();
  wanted.lfs = true;

  EXPECT_THAT(fetch(wanted), IsOk());
  EXPECT_EQ(stranger.connections(), 0);
}

}  // namespace
}  // namespace kiln::source
