// Refs and submodules of somebody who means harm: none is taken for an option or a command, none
// leads to a protocol, a server or a depth that was not asked for.
#include <optional>

#include "tests/integration/git/hostile_fixture.h"
#include "tests/integration/http/scripted_server.h"

namespace kiln::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Files = RepositoryMaker::Files;

struct BadRef {
  std::string name;
  GitRef ref;
  std::string message;
};

GitRef branch(const std::string& text) {
  GitRef ref;
  ref.branch = text;
  return ref;
}
GitRef tag(const std::string& text) {
  GitRef ref;
  ref.tag = text;
  return ref;
}
GitRef name(const std::string& text) {
  GitRef ref;
  ref.name = text;
  return ref;
}
GitRef commit(const std::string& text) {
  GitRef ref;
  ref.commit = text;
  return ref;
}

class HostileRef : public HostileRepositoryTest, public ::testing::WithParamInterface<BadRef> {};

TEST_P(HostileRef, IsRefusedBeforeAnybodyIsAsked) {
  auto wanted = request();
  wanted.ref = GetParam().ref;

  EXPECT_THAT(fetch(wanted), FailsWith(Errc::kInvalid, GetParam().message));
  EXPECT_THAT(server->requests(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Refs, HostileRef,
    ::testing::ValuesIn(std::vector<BadRef>{
        {"BranchLikeAnOption", branch("--upload-pack=evil"), "not starting with '-'"},
        {"BranchLikeAShortOption", branch("-u"), "not starting with '-'"},
        {"BranchWithAColon", branch("main:refs/heads/x"), "branch must be"},
        {"BranchWithAForce", branch("+main^"), "branch must be"},
        {"BranchWithALineBreak", branch("main\n--upload-pack=evil"), "branch must be"},
        {"BranchOfGlobs", branch("*"), "branch must be"},
        {"TagLikeAnOption", tag("--exec=evil"), "tag must be"},
        {"TagThatGoesUp", tag("../../config"), "tag must be"},
        {"NameLikeAnOption", name("--upload-pack=evil"), "name must be the full name"},
        {"NameThatGoesUp", name("refs/heads/../../config"), "name must be the full name"},
        {"NameOfGlobs", name("refs/*"), "name must be the full name"},
        {"CommitLikeAnOption", commit("--output=/tmp/x"), "commit must be a whole commit id"},
        {"CommitWithAPath", commit("HEAD:secret"), "commit must be a whole commit id"},
        {"ShortCommit", commit("1234567"), "commit must be a whole commit id"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(HostileRepositoryTest, WhatTheServerCallsItsBranchIsOnlyShown) {
  const std::string called = "--upload-pack=evil;$(evil)";
  const auto id = made->commit({{"a", "x"}});
  made->set_ref("refs/heads/" + called, id);
  made->git({"symbolic-ref", "HEAD", "refs/heads/" + called});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->revision, called + "@sha1:" + id);
}

TEST_F(HostileRepositoryTest, ATagThatIsNoCommitIsRefused) {
  made->tag("tree", made->tree({{"100644", "blob", made->blob("x"), "a"}}), true);
  made->tag("blob", made->blob("x"), true);
  for (const std::string tagged : {"tree", "blob"}) {
    auto wanted = request();
    wanted.ref.tag = tagged;

    EXPECT_THAT(fetch(wanted), FailsWith(Errc::kInvalid, "is no commit")) << tagged;
  }
}

struct BadAddress {
  std::string name, address, message;
  Errc code = Errc::kInvalid;
};

class HostileSubmodule : public HostileRepositoryTest,
                         public ::testing::WithParamInterface<BadAddress> {
 protected:
  static std::string quoted(const std::string& text) {
    std::string all = "\"";
    for (const char c : text) all += c == '\n' ? "\\n" : std::string(1, c);
    return all + "\"";
  }
};

TEST_P(HostileSubmodule, IsNotFollowed) {
  commit_raw({file(".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = " +
                                      quoted(GetParam().address) + "\n\tupdate = !evil\n"),
              {"160000", "commit", std::string(40, '1'), "sub"}});

  const auto content = fetch_all();

  EXPECT_THAT(content, FailsWith(GetParam().code, GetParam().message));
  EXPECT_THAT(content.error().message, HasSubstr("the submodule \"sub\""));
}

constexpr const char* kOther = "must start with https://, http:// or ssh://";

INSTANTIATE_TEST_SUITE_P(
    Addresses, HostileSubmodule,
    ::testing::ValuesIn(std::vector<BadAddress>{
        {"Command", "ext::sh -c evil", kOther},
        {"CommandInCapitals", "EXT::sh -c evil", kOther},
        {"Helper", "evil::http://127.0.0.1/", kOther},
        {"Descriptor", "fd::7", kOther},
        {"File", "file:///etc/passwd", kOther},
        {"Path", "/etc/passwd", kOther},
        {"PathInHome", "~/x", kOther},
        {"Git", "git://127.0.0.1/x", kOther},
        {"Ftp", "ftp://127.0.0.1/x", kOther},
        {"HttpsInCapitals", "HTTPS://127.0.0.1/x", kOther},
        {"SshAndGit", "git+ssh://127.0.0.1/x", kOther},
        {"Option", "--upload-pack=evil", kOther},
        {"OptionAsHost", "ssh://-oProxyCommand=evil/x", "the URL of the git repository"},
        {"OptionAsUser", "ssh://-oProxyCommand=evil@127.0.0.1/x", "has a user that is no name"},
        {"OptionAsHostOfTheShortForm", "-oProxyCommand=evil:x", "the URL of the git repository"},
        {"OptionAsHostBehindAUser", "git@-oProxyCommand=evil:x", "the URL of the git repository"},
        {"Above", "../../../../etc/passwd", "leads above the root of its server"},
        {"AboveAfterAName", "../a/../../../etc", "has \"..\" after a name"},
        {"Password", "http://me:secret@127.0.0.1/x", "must not hold a user, password or token"},
        {"LineBreak", "http://127.0.0.1/x\nhttp://127.0.0.1/y", "printable ASCII"},
        {"HiddenLineBreak", "http://127.0.0.1/x%0aHost:%20y", "printable ASCII"},
        {"Query", "http://127.0.0.1/x?service=evil", "must not hold \"?\" or \"#\""},
        {"Nothing", "", kOther},
        {"MetadataService", "http://169.254.169.254/latest/meta-data", "169.254.169.254",
         Errc::kEgressDenied},
        {"MetadataServiceAsANumber", "http://2852039166/x", "the URL of the git repository"},
        {"MetadataServiceInIpv6", "http://[::ffff:169.254.169.254]/x", "", Errc::kEgressDenied},
        {"OtherServerOverSsh", "ssh://git@127.0.0.1/x", "and the key is for", Errc::kUnauthorized},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(HostileRepositoryTest, NamesOfSubmodulesAreNotPaths) {
  const auto other = repository("other.git").commit({{"b", "bytes of b"}});
  commit_raw({file(".gitmodules",
                   "[submodule \"../../hooks\"]\n\tpath = sub\n\turl = ../other.git\n"
                   "\tupdate = !evil\n\tbranch = --upload-pack=evil\n\tignore = evil\n"),
              {"160000", "commit", other, "sub"}});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "sub/b"), "bytes of b");
}

TEST_F(HostileRepositoryTest, SettingsThatIncludeOthersDoNotReadThem) {
  const auto other = repository("other.git").commit({{"b", "bytes of b"}});
  commit_raw({file(".gitmodules", "[include]\n\tpath = " + outside.path() +
                                      "\n[includeIf \"gitdir:/\"]\n\tpath = " + outside.path() +
                                      "\n[core]\n\tsshCommand = evil\n[submodule \"x\"]\n"
                                      "\tpath = sub\n\turl = ../other.git\n"),
              {"160000", "commit", other, "sub"}});

  EXPECT_THAT(fetch_all(), IsOk());
}

TEST_F(HostileRepositoryTest, SettingsThatAreNoneAreRefused) {
  commit_raw({file(".gitmodules", "[submodule \"x\nurl"),
              {"160000", "commit", std::string(40, '1'), "sub"}});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, ".gitmodules is no configuration of git"));
}

TEST_F(HostileRepositoryTest, ASubmoduleInDotGitIsRefused) {
  const auto other = repository("other.git").commit({{"hooks", "x"}});
  commit_raw({file(".gitmodules", "[submodule \"x\"]\n\tpath = .git\n\turl = ../other.git\n"),
              {"160000", "commit", other, ".git"}});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "may be called or lie in .git"));
}

TEST_F(HostileRepositoryTest, ASubmoduleBesideALinkOfItsNameInOtherCaseStaysWhereItIs) {
  // CVE-2024-32002.
  const auto other = repository("other.git").commit({{"y/hooks/post-checkout", "#!/bin/sh\n"}});
  commit_raw(
      {file(".gitmodules", "[submodule \"x\"]\n\tpath = A/modules/x\n\turl = ../other.git\n"),
       folder("A", {folder("modules", {{"160000", "commit", other, "x"}})}), link("a", ".git")});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(
      lines_of(*content),
      ElementsAre("-rw .gitmodules 56", "-rw A/modules/x/y/hooks/post-checkout 10", "a -> .git"));
}

TEST_F(HostileRepositoryTest, ASubmoduleWithinALinkIsRefused) {
  const auto other = repository("other.git").commit({{"secret", "overwritten"}});
  commit_raw({file(".gitmodules", "[submodule \"x\"]\n\tpath = a\n\turl = ../other.git\n"),
              link("a", outside.folder()),
              {"160000", "commit", other, "a"}});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "a/secret"));
}

/// Commits of one repository, each with the one before as its submodule, `times` times.
std::string nest(const RepositoryMaker& made, int depth, int times) {
  std::string last = made.commit({{"a", "the innermost"}});
  for (int level = 0; level < depth; ++level) {
    std::string modules;
    Files files;
    for (int i = 0; i < times; ++i) {
      const auto at = "s" + std::to_string(i);
      modules += "[submodule \"" + at + "\"]\n\tpath = " + at + "\n\turl = ../site.git\n";
      files.insert_or_assign(at, RepositoryMaker::File(last, "160000"));
    }
    files.insert_or_assign(".gitmodules", modules);
    last = made.commit(files);
  }
  return last;
}

TEST_F(HostileRepositoryTest, SubmodulesWithinTheLimitsAreFollowed) {
  nest(*made, 8, 1);

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "s0/s0/s0/s0/s0/s0/s0/s0/a"), "the innermost");
}

TEST_F(HostileRepositoryTest, SubmodulesWithinSubmodulesHaveALimit) {
  nest(*made, 9, 1);

  EXPECT_THAT(fetch_all(),
              FailsWith(Errc::kInvalid, "submodules are nested deeper than the limit of 8"));
}

TEST_F(HostileRepositoryTest, SubmodulesThatMultiplyHaveALimit) {
  nest(*made, 5, 4);

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "more than the limit of 64 submodules"));
}

TEST_F(HostileRepositoryTest, CredentialsDoNotGoToTheServerOfASubmodule) {
  std::string seen;
  std::optional<http::ScriptedServer> stranger(std::in_place, [&](http::Peer& peer) {
    while (const auto asked = peer.read()) {
      seen += asked->head;
      peer.answer("", "404 Not Found");
    }
  });
  commit_raw({file(".gitmodules", "[submodule \"x\"]\n\tpath = sub\n\turl = " +
                                      stranger->url("/x.git").str() + "\n"),
              {"160000", "commit", std::string(40, '1'), "sub"}});
  GitRequest wanted(server->url("/private/site.git"));
  wanted.credentials = who({{"username", "me"}, {"password", "correct horse"}}, wanted.url);
  wanted.submodules = true;

  EXPECT_THAT(fetch(wanted), FailsWith(Errc::kUnavailable, "has no such repository"));
  stranger.reset();  // Nobody writes to it any more.
  EXPECT_THAT(seen, HasSubstr("GET /x.git/info/refs"));
  EXPECT_THAT(seen, Not(HasSubstr("uthorization")));
}

}  // namespace
}  // namespace kiln::source
