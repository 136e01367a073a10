#include "core/source/git_ref.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

std::string id(char digit) {
  return std::string(40, digit);
}

std::string listing() {
  return "ref: refs/heads/main\tHEAD\n" + id('1') + "\tHEAD\n" +                     //
         id('1') + "\trefs/heads/main\n" + id('2') + "\trefs/heads/release/1.2\n" +  //
         id('3') + "\trefs/pull/7/head\n" +                                          //
         id('a') + "\trefs/tags/v1.0.0\n" +                                          //
         id('b') + "\trefs/tags/v1.2.0\n" + id('c') + "\trefs/tags/v1.2.0^{}\n" +    //
         id('d') + "\trefs/tags/v2.0.0-rc.1\n" + id('e') + "\trefs/tags/nightly\n";
}

GitRef ref(std::string branch, std::string tag = {}, std::string semver = {}, std::string name = {},
           std::string commit = {}) {
  GitRef made;
  made.branch = std::move(branch);
  made.tag = std::move(tag);
  made.semver = std::move(semver);
  made.name = std::move(name);
  made.commit = std::move(commit);
  return made;
}

struct Found {
  std::string claim;
  GitRef wanted;
  std::string revision, branch, tag;
};

class FindsRef : public ::testing::TestWithParam<Found> {};

TEST_P(FindsRef, InAListing) {
  const auto revision = RemoteRefs::parse(listing()).find(GetParam().wanted);

  ASSERT_THAT(revision, IsOk());
  EXPECT_EQ(revision->str(), GetParam().revision);
  EXPECT_EQ(revision->branch, GetParam().branch);
  EXPECT_EQ(revision->tag, GetParam().tag);
}

INSTANTIATE_TEST_SUITE_P(
    All, FindsRef,
    ::testing::ValuesIn(std::vector<Found>{
        {"DefaultBranch", ref(""), "main@sha1:" + id('1'), "main", ""},
        {"Branch", ref("release/1.2"), "release/1.2@sha1:" + id('2'), "release/1.2", ""},
        {"LightTag", ref("", "v1.0.0"), "v1.0.0@sha1:" + id('a'), "", "v1.0.0"},
        {"AnnotatedTagAsItsCommit", ref("", "v1.2.0"), "v1.2.0@sha1:" + id('c'), "", "v1.2.0"},
        {"HighestTagOfARange", ref("", "", "1.x"), "v1.2.0@sha1:" + id('c'), "", "v1.2.0"},
        {"Prerelease", ref("", "", ">=2.0.0-0"), "v2.0.0-rc.1@sha1:" + id('d'), "", "v2.0.0-rc.1"},
        {"FullName", ref("", "", "", "refs/pull/7/head"), "refs/pull/7/head@sha1:" + id('3'), "",
         ""},
        {"Commit", ref("", "", "", "", id('f')), "sha1:" + id('f'), "", ""},
        {"LongCommit", ref("", "", "", "", std::string(64, 'f')), "sha256:" + std::string(64, 'f'),
         "", ""},
        {"TagBeforeBranch", ref("main", "v1.0.0"), "v1.0.0@sha1:" + id('a'), "", "v1.0.0"},
        {"RangeBeforeTag", ref("main", "v1.0.0", "1.x"), "v1.2.0@sha1:" + id('c'), "", "v1.2.0"},
        {"NameBeforeRange", ref("main", "v1.0.0", "1.x", "refs/heads/main"),
         "refs/heads/main@sha1:" + id('1'), "", ""},
        {"CommitBeforeAll", ref("main", "v1.0.0", "1.x", "refs/heads/main", id('9')),
         "sha1:" + id('9'), "", ""},
    }),
    [](const auto& one) { return one.param.claim; });

TEST(Revision, HasTheCommitOfItsOwnBranchAlone) {
  EXPECT_EQ(commit_of_revision("main@sha1:" + id('1'), "main"), id('1'));
  EXPECT_EQ(commit_of_revision("a@b@sha1:" + id('1'), "a@b"), id('1'));
  for (const auto& other : {"next@sha1:" + id('1'), "sha1:" + id('1'), std::string("main@sha1:x"),
                            std::string("main@"), std::string("main"), "main@sha256:" + id('1')})
    EXPECT_EQ(commit_of_revision(other, "main"), "") << other;
}

struct Missing {
  std::string claim;
  GitRef wanted;
  std::string message;
};

class MissesRef : public ::testing::TestWithParam<Missing> {};

TEST_P(MissesRef, AndSaysWhich) {
  EXPECT_THAT(RemoteRefs::parse(listing()).find(GetParam().wanted),
              FailsWith(Errc::kNotFound, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, MissesRef,
                         ::testing::ValuesIn(std::vector<Missing>{
                             {"Branch", ref("gone"), "there is no branch gone"},
                             {"PartOfABranch", ref("1.2"), "there is no branch 1.2; there is "},
                             {"Tag", ref("", "v9"), "there is no tag v9"},
                             {"Range", ref("", "", ">=3"), "no tag is a version in the range >=3"},
                             {"Name", ref("", "", "", "refs/heads/x"),
                              "there is no reference refs/heads/x"},
                         }),
                         [](const auto& one) { return one.param.claim; });

TEST(RemoteRefs, NamesTheMostSimilarOfWhatIsThereAndHowManyMore) {
  std::string listing;
  for (const auto* name : {"a", "dev", "main", "maintenance", "next", "release", "x"})
    listing += id('1') + "\trefs/heads/" + name + "\n";
  const auto missing = RemoteRefs::parse(listing).find(ref("mian"));
  ASSERT_TRUE(missing.has_error());
  EXPECT_EQ(missing.error().message,
            "there is no branch mian; there is main, a, dev, next, x and 2 more");
}

TEST(RemoteRefs, AnEmptyRepositoryHasNoDefaultBranch) {
  EXPECT_THAT(RemoteRefs::parse("").find(GitRef()),
              FailsWith(Errc::kNotFound, "the repository has no default branch"));
}

TEST(RemoteRefs, AHostileHeadIsOnlyCalledHead) {
  for (const std::string target : {"refs/heads/../../etc", "--upload-pack=id", "refs/heads/-x y"}) {
    const auto refs = RemoteRefs::parse("ref: " + target + "\tHEAD\n" + id('1') + "\tHEAD\n");

    EXPECT_EQ(refs.find(GitRef())->str(), "HEAD@sha1:" + id('1')) << target;
  }
}

TEST(RemoteRefs, TagsThatAreNoNamesAreNoVersions) {
  const auto refs = RemoteRefs::parse(id('1') + "\trefs/tags/1.0.0-a..b\n" + id('2') +
                                      "\trefs/tags/1.0.0\nnonsense\n" + id('3') + " no tab\n");

  EXPECT_EQ(refs.find(ref("", "", ">=0.0.0-0"))->str(), "1.0.0@sha1:" + id('2'));
}

TEST(RemoteRefs, OnlyWhatARefNeedsIsListed) {
  EXPECT_EQ(listing_for(ref("")), RefListing::kDefaultBranch);
  EXPECT_EQ(listing_for(ref("main")), RefListing::kBranches);
  EXPECT_EQ(listing_for(ref("main", "v1")), RefListing::kTags);
  EXPECT_EQ(listing_for(ref("", "", "1.x")), RefListing::kTags);
  EXPECT_EQ(listing_for(ref("", "", "", "refs/pull/7/head")), RefListing::kEverything);
  EXPECT_EQ(listing_for(ref("main", "", "", "", id('1'))), RefListing::kNothing);
}

struct Bad {
  std::string claim;
  GitRef wanted;
  std::string message;
};

class BadGitRef : public ::testing::TestWithParam<Bad> {};

TEST_P(BadGitRef, IsRefusedNamingTheField) {
  EXPECT_THAT(check_git_ref(GetParam().wanted), FailsWith(Errc::kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadGitRef,
    ::testing::ValuesIn(std::vector<Bad>{
        {"OptionAsBranch", ref("--upload-pack=id"), "branch must be a branch as git names it"},
        {"FullBranch", ref("refs/heads/main"), "branch must be the short name"},
        {"Ancestor", ref("main~1"), "branch must be a branch"},
        {"Range", ref("a..b"), "branch must be a branch"},
        {"Refspec", ref("a:b"), "branch must be a branch"},
        {"Star", ref("a*"), "branch must be a branch"},
        {"Space", ref("a b"), "branch must be a branch"},
        {"LineBreak", ref("a\nb"), "branch must be a branch"},
        {"At", ref("@"), "branch must be a branch"},
        {"Reflog", ref("main@{1}"), "branch must be a branch"},
        {"Lock", ref("main.lock"), "branch must be a branch"},
        {"LockInside", ref("a.lock/b"), "branch must be a branch"},
        {"Backslash", ref("a\\b"), "branch must be a branch"},
        {"OptionAsTag", ref("", "-d"), "tag must be a tag as git names it"},
        {"TrailingSlash", ref("", "v1/"), "tag must be a tag"},
        {"HiddenPart", ref("", "a/.b"), "tag must be a tag"},
        {"TooLong", ref("", std::string(256, 'a')), "tag must be a tag"},
        {"Semver", ref("", "", "newest"), "semver: \"newest\" is no range of versions"},
        {"ShortName", ref("", "", "", "main"), "name must be the full name of a reference"},
        {"OptionAsName", ref("", "", "", "--all"), "name must be the full name of a reference"},
        {"ShortCommit", ref("", "", "", "", "1a2b3c4"), "commit must be a whole commit id"},
        {"UpperCaseCommit", ref("", "", "", "", std::string(40, 'A')), "commit must be a whole"},
        {"OptionAsCommit", ref("", "", "", "", "--" + std::string(38, 'a')), "commit must be"},
    }),
    [](const auto& one) { return one.param.claim; });

TEST(GitRef, MayUseAllThatGitAllowsInNames) {
  EXPECT_THAT(check_git_ref(ref("feature/ümlaut#1", "v1.0.0+b", "^1", "refs/pull/1/head", id('a'))),
              IsOk());
}

struct News {
  std::string claim;
  GitRef wanted;
  std::string name;
  bool follows;
};

class NewsOfARef : public ::testing::TestWithParam<News> {};

TEST_P(NewsOfARef, ConcernsThoseWhoFollowIt) {
  EXPECT_EQ(may_follow(GetParam().wanted, GetParam().name), GetParam().follows);
}

INSTANTIATE_TEST_SUITE_P(
    All, NewsOfARef,
    ::testing::ValuesIn(std::vector<News>{
        {"ItsBranch", ref("main"), "refs/heads/main", true},
        {"AnotherBranch", ref("main"), "refs/heads/main2", false},
        {"ATagOfTheBranchsName", ref("main"), "refs/tags/main", false},
        {"ItsTag", ref("", "v1"), "refs/tags/v1", true},
        {"AnotherTag", ref("", "v1"), "refs/tags/v2", false},
        {"TagGoesBeforeBranch", ref("main", "v1"), "refs/heads/main", false},
        {"AnyTagOfARange", ref("", "", "^1"), "refs/tags/v1.4.0", true},
        {"NoBranchOfARange", ref("", "", "^1"), "refs/heads/main", false},
        {"ItsName", ref("", "", "", "refs/pull/1/head"), "refs/pull/1/head", true},
        {"AnotherName", ref("", "", "", "refs/pull/1/head"), "refs/pull/2/head", false},
        {"ACommitNever", ref("", "", "", "", id('a')), "", false},
        {"AnyBranchOfTheDefault", ref(""), "refs/heads/trunk", true},
        {"NoTagOfTheDefault", ref(""), "refs/tags/v1", false},
        {"WhatIsNotSaid", ref("main"), "", true},
    }),
    [](const auto& one) { return one.param.claim; });

}  // namespace
}  // namespace kiln::source
