#include "core/source/git_lfs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/sha256.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::source {
namespace {

using fakes::body_text;
using fakes::ScriptedClient;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;

const std::string kBytes = "a large film";
const LfsPointer kFilm{sha256_hex(kBytes), kBytes.size()};

std::string pointer_text(const std::string& id, const std::string& size) {
  return "version https://git-lfs.github.com/spec/v1\noid sha256:" + id + "\nsize " + size + "\n";
}

TEST(LfsPointer, IsRead) {
  const auto pointer = parse_lfs_pointer(pointer_text(kFilm.id, "12"));

  ASSERT_THAT(pointer, IsOk());
  EXPECT_EQ(**pointer, kFilm);
}

TEST(LfsPointer, OtherFilesAreNone) {
  for (const std::string text :
       {"", "hello", "version https://git-lfs.github.com/spec/v2\noid sha256:x\nsize 1\n",
        "# version https://git-lfs.github.com/spec/v1\n"})
    EXPECT_FALSE(parse_lfs_pointer(text)->has_value()) << text;
}

TEST(LfsPointer, BrokenOnesAreRefused) {
  const auto version = std::string("version https://git-lfs.github.com/spec/v1\n");
  EXPECT_THAT(parse_lfs_pointer(version + "oid md5:1\nsize 1\n"),
              FailsWith(Errc::kInvalid, "something else than sha256"));
  EXPECT_THAT(parse_lfs_pointer(pointer_text("../../etc/passwd", "1")),
              FailsWith(Errc::kInvalid, "something else than sha256"));
  EXPECT_THAT(parse_lfs_pointer(pointer_text(kFilm.id, "-1")),
              FailsWith(Errc::kInvalid, "has no size"));
  EXPECT_THAT(parse_lfs_pointer(pointer_text(kFilm.id, "99999999999999999999")),
              FailsWith(Errc::kInvalid, "has no size"));
  EXPECT_THAT(parse_lfs_pointer(version + "size 1\n"), FailsWith(Errc::kInvalid, "names no file"));
  EXPECT_THAT(parse_lfs_pointer(version + "ext-0-x sha256:1\noid sha256:" + kFilm.id),
              FailsWith(Errc::kUnsupported, "uses extensions"));
}

class LfsClientTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const GitServer> server(const std::string& url, bool with_token = true) {
    auto made = std::make_shared<GitServer>(*GitUrl::parse(url));
    if (with_token)
      made->credentials = *GitCredentials::parse({{"bearerToken", "sesame"}}, made->url);
    return made;
  }
  /// An answer to the batch request: where the film is.
  static std::string film_at(const std::string& href, const std::string& header = "") {
    return R"({"objects": [{"oid": ")" + kFilm.id + R"(", "size": 12, "actions": {"download": {)" +
           R"("href": ")" + href + R"(", "header": {)" + header + "}}}}]}";
  }
  Result<std::uint64_t> fetch(std::shared_ptr<const GitServer> from, LfsPointer file = kFilm) {
    LfsClient client(http, pool, limits);
    return run_task(client.fetch(std::move(from), {file}, folder.path()));
  }
  Result<std::string> stored() const {
    auto source = lfs_content(folder.path(), kFilm, nullptr).open();
    if (!source) return std::move(source).error();
    return read_all(**source, 1000);
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path()))
      if (file.is_regular_file()) ++count;
    return count;
  }

  ScriptedClient http;
  WorkPool pool{1};
  GitLimits limits;
  TempDir folder = std::move(*TempDir::create("kiln-lfs-"));
};

TEST_F(LfsClientTest, AsksTheRepositorysServerAndKeepsTheFile) {
  http.answer(200, film_at("https://h.example/files/1"));
  http.answer(200, kBytes);

  ASSERT_THAT(fetch(server("https://h.example/t/site")), IsOk());

  EXPECT_EQ(*stored(), kBytes);
  EXPECT_EQ(http.seen_lines(),
            (std::vector<std::string>{"POST https://h.example/t/site.git/info/lfs/objects/batch",
                                      "GET https://h.example/files/1"}));
  const auto asked = *parse_json(body_text(http.seen()[0]));
  EXPECT_EQ(asked["operation"], "download");
  EXPECT_EQ(asked["objects"][0]["oid"], kFilm.id);
  EXPECT_EQ(http.seen()[0].headers.get("Authorization"), "Bearer sesame");
}

TEST_F(LfsClientTest, WhatIsThereIsNotAskedFor) {
  http.answer(200, film_at("https://h.example/files/1"));
  http.answer(200, kBytes);
  ASSERT_THAT(fetch(server("https://h.example/site.git")), IsOk());

  EXPECT_THAT(fetch(server("https://h.example/site.git")), IsOk());
  EXPECT_EQ(http.seen().size(), 2U);
}

TEST_F(LfsClientTest, CredentialsGoToNoOtherServer) {
  http.answer(200, film_at("https://store.example/1", R"("X-Ticket": "42")"));
  http.answer(200, kBytes);

  ASSERT_THAT(fetch(server("https://h.example/site.git")), IsOk());

  const auto& download = http.seen()[1];
  EXPECT_FALSE(download.headers.has("Authorization"));
  EXPECT_EQ(download.headers.get("X-Ticket"), "42");
  EXPECT_EQ(download.named_by, http::AddressKind::kPublic);
}

TEST_F(LfsClientTest, AFileWithOtherBytesIsRefusedAndNotKept) {
  http.answer(200, film_at("https://h.example/1"));
  http.answer(200, "a large fil!");

  EXPECT_THAT(fetch(server("https://h.example/site.git")),
              FailsWith(Errc::kInvalid, "has other bytes than the repository says"));
  EXPECT_EQ(files(), 0U);
}

TEST_F(LfsClientTest, AFileThatNeverEndsIsLeftAtItsSize) {
  http.answer(200, film_at("https://h.example/1"));
  http.answer_stream(200, {kBytes, "and more"}, fakes::StreamEnd::kComplete);

  EXPECT_THAT(fetch(server("https://h.example/site.git")),
              FailsWith(Errc::kInvalid, "is larger than the repository says"));
  EXPECT_EQ(files(), 0U);
}

TEST_F(LfsClientTest, AFileThatIsCutIsNotKept) {
  http.answer(200, film_at("https://h.example/1"));
  http.answer_stream(200, {"a lar"}, fakes::StreamEnd::kCut);

  EXPECT_THAT(fetch(server("https://h.example/site.git")), FailsWith(Errc::kUnavailable, "cut"));
  EXPECT_EQ(files(), 0U);
}

struct Bad {
  std::string name;
  int status;
  std::string answer;
  Errc code;
  std::string message;
};

class BadLfsAnswer : public LfsClientTest, public ::testing::WithParamInterface<Bad> {};

TEST_P(BadLfsAnswer, IsAnErrorThatSaysSo) {
  http.answer(GetParam().status, GetParam().answer);

  EXPECT_THAT(fetch(server("https://h.example/site.git")),
              FailsWith(GetParam().code, GetParam().message));
  EXPECT_EQ(http.seen().size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadLfsAnswer,
    ::testing::ValuesIn(std::vector<Bad>{
        {"Unauthorized", 401, "", Errc::kUnauthorized, "does not take the credentials"},
        {"Forbidden", 403, "", Errc::kDenied, "forbids it"},
        {"NotThere", 404, "", Errc::kUnavailable, "is not there"},
        {"TooOften", 429, "", Errc::kRateLimited, "asked too often"},
        {"Broken", 500, "", Errc::kUnavailable, "answered with status 500"},
        {"NoJson", 200, "<html>", Errc::kInvalid, "the LFS server's answer"},
        {"SaysNothing", 200, "{}", Errc::kNotFound, "says nothing of the file"},
        {"NoFile", 200, R"({"objects": [{"oid": ")" + kFilm.id + R"(", "error": {"code": 404}}]})",
         Errc::kNotFound, "does not have the file"},
        {"OtherScheme", 200,
         R"({"objects": [{"oid": ")" + kFilm.id +
             R"(", "actions": {"download": {"href": "file:///etc/passwd"}}}]})",
         Errc::kInvalid, "the LFS server's address"},
        {"Downgrade", 200,
         R"({"objects": [{"oid": ")" + kFilm.id +
             R"(", "actions": {"download": {"href": "http://h.example/1"}}}]})",
         Errc::kInvalid, "an address that is not https"},
    }),
    [](const auto& one) { return one.param.name; });

TEST_F(LfsClientTest, IsNotSpokenOverSsh) {
  EXPECT_THAT(fetch(server("ssh://git@h.example/site.git", false)),
              FailsWith(Errc::kUnsupported, "write the https URL"));
}

TEST_F(LfsClientTest, AFileBeyondTheLimitIsNotAskedFor) {
  limits.fetch_bytes = 5;

  EXPECT_THAT(fetch(server("https://h.example/site.git")),
              FailsWith(Errc::kInvalid, "12 bytes, more than the limit of 5"));
  EXPECT_TRUE(http.seen().empty());
}

}  // namespace
}  // namespace kiln::source
