#include "core/source/git_url.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

struct Good {
  std::string text, origin, path, shown;
};

class GoodGitUrl : public ::testing::TestWithParam<Good> {};

TEST_P(GoodGitUrl, IsSplit) {
  const auto url = GitUrl::parse(GetParam().text);

  ASSERT_THAT(url, IsOk());
  EXPECT_EQ(url->origin(), GetParam().origin);
  EXPECT_EQ(url->path(), GetParam().path);
  EXPECT_EQ(url->str(), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodGitUrl,
    ::testing::ValuesIn(std::vector<Good>{
        {"https://git.example.com/team/site.git", "https://git.example.com:443", "/team/site.git",
         "https://git.example.com/team/site.git"},
        {"https://Git.Example.com:443/a", "https://git.example.com:443", "/a",
         "https://git.example.com/a"},
        {"http://git.default.svc:3000/team/site", "http://git.default.svc:3000", "/team/site",
         "http://git.default.svc:3000/team/site"},
        {"https://[fd00::1]:8443/a.git", "https://[fd00::1]:8443", "/a.git",
         "https://[fd00::1]:8443/a.git"},
        {"ssh://git@git.example.com:2222/~team/site.git", "ssh://git.example.com:2222",
         "/~team/site.git", "ssh://git@git.example.com:2222/~team/site.git"},
        {"ssh://git.example.com/a", "ssh://git.example.com:22", "/a",
         "ssh://git@git.example.com/a"},
        {"ssh://me@[fd00::1]/a", "ssh://[fd00::1]:22", "/a", "ssh://me@[fd00::1]/a"},
        {"https://git.example.com/a%20b", "https://git.example.com:443", "/a%20b",
         "https://git.example.com/a%20b"},
    }));

struct Bad {
  std::string text, message;
};

class BadGitUrl : public ::testing::TestWithParam<Bad> {};

TEST_P(BadGitUrl, IsRefusedSayingWhatToWrite) {
  EXPECT_THAT(GitUrl::parse(GetParam().text), FailsWith(Errc::kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadGitUrl,
    ::testing::ValuesIn(std::vector<Bad>{
        {"", "must start with https://, http:// or ssh://"},
        {"git.example.com/a", "must start with https://"},
        {"ext::sh -c touch% /tmp/marker", "must start with https://"},
        {"fd::17/foo", "must start with https://"},
        {"file:///etc", "must start with https://"},
        {"git://git.example.com/a", "must start with https://"},
        {"ftp://git.example.com/a", "must start with https://"},
        {"/srv/git/a", "must start with https://"},
        {"HTTPS://git.example.com/a", "must start with https://"},
        {"--upload-pack=touch /tmp/marker", "must start with https://"},
        {"-oProxyCommand=id:x", "must start with https://"},
        {"git@git.example.com:team/site.git",
         "must be a URL: write ssh://git@git.example.com/team/site.git"},
        {"git.example.com:/srv/a", "must be a URL: write ssh://git.example.com/srv/a"},
        {"https://me:secret@git.example.com/a", "must not hold a user, password or token"},
        {"https://token@git.example.com/a", "must not hold a user, password or token"},
        {"ssh://git:secret@git.example.com/a", "must not hold a password"},
        {"ssh://-oProxyCommand=id/a", "is not right: the host may hold only letters"},
        {"ssh://-oProxyCommand/a", "has a host that starts with \"-\""},
        {"https://-a/b", "has a host that starts with \"-\""},
        {"ssh://-oProxyCommand=id@git.example.com/a", "has a user that is no name"},
        {"ssh://@git.example.com/a", "has a user that is no name"},
        {"ssh://a b@git.example.com/a", "has a user that is no name"},
        {"ssh://a;id@git.example.com/a", "has a user that is no name"},
        {"ssh://git@$(id)/a", "the host may hold only letters"},
        {"https://git.example.com", "has no path"},
        {"https://git.example.com/", "has no path"},
        {"https:///a", "the URL has no host"},
        {"https://git.example.com/a?ref=main", "write the branch, tag or commit under ref"},
        {"https://git.example.com/a#main", "write the branch, tag or commit under ref"},
        {"https://git.example.com/a b", "must be printable ASCII without spaces"},
        {"https://git.example.com/a\nb", "must be printable ASCII without spaces"},
        {"https://git.example.com/a%0Ahost=evil", "must be printable ASCII without spaces"},
        {"https://git.example.com/a%00", "must be printable ASCII without spaces"},
        {"https://git.example.com/a%7f", "must be printable ASCII without spaces"},
        {"https://git.example.com/a%4", "must be printable ASCII without spaces"},
        {"https://git.example.com/a%zz", "must be printable ASCII without spaces"},
        {"https://git.example.com/\xc3\xa4", "must be printable ASCII without spaces"},
        {"https://2130706433/a", "looks like a number"},
        {"https://0x7f.1/a", "looks like a number"},
        {"ssh://0177.0.0.1/a", "looks like a number"},
        {"https://git.example.com:0/a", "the port must be a number"},
        {"ssh://git.example.com:99999/a", "the port must be a number"},
        {"https://git.example.com/" + std::string(2048, 'a'), "longer than 2048"},
    }));

TEST(GitUrl, NeverRepeatsAPasswordInItsMessage) {
  const auto url = GitUrl::parse("https://me:hunter2@git.example.com/a");

  ASSERT_TRUE(url.has_error());
  EXPECT_EQ(url.error().message.find("hunter2"), std::string::npos);
}

struct Submodule {
  std::string parent, text, result;
};

class SubmoduleUrl : public ::testing::TestWithParam<Submodule> {};

TEST_P(SubmoduleUrl, IsReadAsGitReadsIt) {
  const auto parent = GitUrl::parse(GetParam().parent);

  const auto url = GitUrl::parse_submodule(GetParam().text, *parent);

  ASSERT_THAT(url, IsOk());
  EXPECT_EQ(url->str(), GetParam().result);
}

INSTANTIATE_TEST_SUITE_P(
    All, SubmoduleUrl,
    ::testing::ValuesIn(std::vector<Submodule>{
        {"https://h.example/t/a.git", "../b.git", "https://h.example/t/b.git"},
        {"https://h.example/t/a.git/", "../b.git", "https://h.example/t/b.git"},
        {"https://h.example/t/a.git", "../../x/b", "https://h.example/x/b"},
        {"https://h.example/t/a.git", "./b.git", "https://h.example/t/a.git/b.git"},
        {"https://h.example:8443/t/a", ".././../b", "https://h.example:8443/b"},
        {"ssh://me@h.example:2222/t/a", "../b", "ssh://me@h.example:2222/t/b"},
        {"https://h.example/t/a", "https://other.example/b", "https://other.example/b"},
        {"http://h.example/t/a", "http://other.example/b", "http://other.example/b"},
        {"https://h.example/t/a", "git@other.example:t/b.git", "ssh://git@other.example/t/b.git"},
    }));

struct BadSubmodule {
  std::string text, message;
};

class BadSubmoduleUrl : public ::testing::TestWithParam<BadSubmodule> {};

TEST_P(BadSubmoduleUrl, IsRefused) {
  const auto parent = GitUrl::parse("https://h.example/t/a.git");

  EXPECT_THAT(GitUrl::parse_submodule(GetParam().text, *parent),
              FailsWith(Errc::kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, BadSubmoduleUrl,
                         ::testing::ValuesIn(std::vector<BadSubmodule>{
                             {"", "must start with https://"},
                             {"../../../b", "leads above the root of its server"},
                             {"../b/../../c", "has \"..\" after a name"},
                             {"../b c", "must be printable ASCII"},
                             {"../b?x", "must not hold \"?\""},
                             {"http://h.example/t/b",
                              "must not be http where the repository's own is not"},
                             {"ext::sh -c id", "must start with https://"},
                             {"file:///etc", "must start with https://"},
                             {"/etc", "must start with https://"},
                             {"-oProxyCommand=id:b", "the host may hold only letters"},
                             {"--upload-pack=id", "must start with https://"},
                             {"-x@h.example:b", "has a user that is no name"},
                         }));

TEST(GitUrl, CredentialsAreForOneServerAndPort) {
  const auto url = GitUrl::parse("https://h.example/a");

  EXPECT_TRUE(url->same_server(*GitUrl::parse("https://H.example:443/b")));
  EXPECT_FALSE(url->same_server(*GitUrl::parse("https://h.example:444/a")));
  EXPECT_FALSE(url->same_server(*GitUrl::parse("http://h.example/a")));
  EXPECT_FALSE(url->same_server(*GitUrl::parse("https://h.example.evil/a")));
  EXPECT_FALSE(url->same_server(*GitUrl::parse("ssh://h.example/a")));
}

struct Named {
  std::string text, name;
};

class RepositoryName : public ::testing::TestWithParam<Named> {};

TEST_P(RepositoryName, IsTheSameWhateverTheWayToIt) {
  EXPECT_EQ(repository_name_of(GetParam().text), GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(
    All, RepositoryName,
    ::testing::ValuesIn(std::vector<Named>{
        {"https://git.example.com/team/site.git", "git.example.com/team/site"},
        {"https://git.example.com/team/site", "git.example.com/team/site"},
        {"https://Git.Example.com:8443//Team/Site.git/", "git.example.com/team/site"},
        {"http://git.example.com/team/site/", "git.example.com/team/site"},
        {"ssh://git@git.example.com:2222/team/site.git", "git.example.com/team/site"},
        {"git@git.example.com:team/site.git", "git.example.com/team/site"},
        {"git@git.example.com:/team/site.git", "git.example.com/team/site"},
        {"https://[fd00::1]:8443/a.git", "fd00::1/a"},
        {"https://me:secret@git.example.com/a", ""},
        {"team/site", ""},
        {"", ""},
    }));

}  // namespace
}  // namespace kiln::source
