#include <gtest/gtest.h>

#include "controller/plan/plan.h"
#include "tests/support/matchers.h"
#include "tests/unit/controller/plan/spec_text.h"

namespace kiln::plan {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

struct Bad {
  std::string name;
  Json change;
  Errc code;
  std::string message;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}

Json content(const Json& entry) {
  return {{"content", Json::array({entry})}};
}
Json files(const Json& named) {
  return content({{"path", "/x"}, {"inline", {{"files", named}}}});
}
Json output(const Json& more) {
  Json out = {{"image", "r.test/team/site:latest"}};
  out.merge_patch(more);
  return {{"output", out}};
}

class CheckSpecRefuses : public ::testing::TestWithParam<Bad> {};
TEST_P(CheckSpecRefuses, NamingTheField) {
  EXPECT_THAT(check_spec(*build_with(GetParam().change)),
              FailsWith(GetParam().code, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Wrong, CheckSpecRefuses,
    ::testing::Values(
        Bad{"ImageReference", content({{"path", "/x"}, {"image", {{"reference", "Assets"}}}}),
            Errc::kInvalid, "spec.content[0].image.reference: "},
        Bad{"ImageScratch", content({{"path", "/x"}, {"image", {{"reference", "scratch"}}}}),
            Errc::kInvalid, "spec.content[0].image.reference: scratch is empty"},
        Bad{"ImagePath",
            content({{"path", "/x"}, {"image", {{"reference", "r.test/a"}, {"path", "dist"}}}}),
            Errc::kInvalid, "spec.content[0].image.path: "},
        Bad{"ImageThatIsTheOutput",
            content({{"path", "/x"}, {"image", {{"reference", "r.test/team/site"}}}}),
            Errc::kInvalid, "spec.output.image: must differ from spec.content[0].image"},
        Bad{"BaseReference", {{"base", {{"image", "Nginx"}}}}, Errc::kInvalid, "spec.base.image: "},
        Bad{"Pin",
            {{"pin", "latest"}},
            Errc::kInvalid,
            "spec.pin: digest must start with \"sha256:\""},
        Bad{"Platform",
            {{"base", {{"platforms", {"linux"}}}}},
            Errc::kInvalid,
            "spec.base.platforms[0]: "},
        Bad{"EmptyScratch",
            {{"base", {{"image", "scratch"}}}, {"content", nullptr}},
            Errc::kInvalid,
            "spec.base.image: scratch is empty"},
        Bad{"RemoveFromScratch",
            {{"base", {{"image", "scratch"}}}, {"remove", {"/x"}}},
            Errc::kInvalid,
            "spec.remove: there is nothing to remove"},
        Bad{"RemoveAll", {{"remove", {"/"}}}, Errc::kInvalid, "spec.remove[0]: must not be"},
        Bad{"RemoveRelative", {{"remove", {"/ok", "x"}}}, Errc::kInvalid, "spec.remove[1]: "},
        Bad{"NoSource", content({{"path", "/x"}}), Errc::kInvalid,
            "spec.content[0]: has no source"},
        Bad{"TwoSources",
            content({{"path", "/x"}, {"configMap", {{"name", "a"}}}, {"secret", {{"name", "b"}}}}),
            Errc::kInvalid, "spec.content[0]: has more than one source"},
        Bad{"DotDotPath", content({{"path", "/x/../y"}, {"configMap", {{"name", "a"}}}}),
            Errc::kInvalid, "spec.content[0].path: "},
        Bad{"WhiteoutPath", content({{"path", "/x/.wh.y"}, {"configMap", {{"name", "a"}}}}),
            Errc::kInvalid, "spec.content[0].path: "},
        Bad{"ItemPath",
            content({{"path", "/x"},
                     {"configMap", {{"name", "a"}, {"items", {{{"key", "k"}, {"path", "/b"}}}}}}}),
            Errc::kInvalid, "spec.content[0].configMap.items[0].path: "},
        Bad{"ItemTwice",
            content({{"path", "/x"},
                     {"secret",
                      {{"name", "a"},
                       {"items",
                        {{{"key", "k"}, {"path", "b"}}, {{"key", "l"}, {"path", "b"}}}}}}}),
            Errc::kInvalid, "spec.content[0].secret.items[1].path: b is given twice"},
        Bad{"InlineName", files({{"../a", ""}}), Errc::kInvalid, "spec.content[0].inline.files: "},
        Bad{"InlineEmpty", files(Json::object()), Errc::kInvalid, "write at least one file"},
        Bad{"DecimalMode",
            content({{"path", "/x"}, {"fileMode", 644}, {"configMap", {{"name", "a"}}}}),
            Errc::kInvalid, "spec.content[0].fileMode: is decimal but looks octal"},
        Bad{"EnvTwice",
            {{"config", {{"env", {{{"name", "A"}, {"value", "b"}}}}, {"unsetEnv", {"A"}}}}},
            Errc::kInvalid,
            "spec.config.unsetEnv: "},
        Bad{"WorkingDir",
            {{"config", {{"workingDir", "srv"}}}},
            Errc::kInvalid,
            "spec.config.workingDir: "},
        Bad{"OutputDigest", output({{"image", "r.test/a@sha256:" + std::string(64, '0')}}),
            Errc::kInvalid, "spec.output.image: must not hold a digest"},
        Bad{"OutputShort", output({{"image", "site"}}), Errc::kInvalid,
            "spec.output.image: must name a registry"},
        Bad{"HistoryTag", output({{"tags", {"kiln-0123456789ab"}}}), Errc::kInvalid,
            "spec.output.tags[0]: must not be a tag that Kiln keeps"},
        Bad{"UnknownVariable", output({{"tags", {"${user}"}}}), Errc::kInvalid,
            "spec.output.tags[0]: unknown variable ${user}"},
        Bad{"OwnBase", output({{"image", "docker.io/library/nginx:1.27"}}), Errc::kInvalid,
            "spec.output.image: must differ from spec.base.image"},
        Bad{"OwnBaseByTag", output({{"image", "docker.io/nginx:mine"}, {"tags", {"1.27"}}}),
            Errc::kInvalid, "spec.output.tags[0]: must differ from spec.base.image"},
        Bad{"DockerZstd", output({{"mediaTypes", "Docker"}, {"compression", "Zstd"}}),
            Errc::kInvalid, "spec.output.compression: "},
        Bad{"DockerAnnotations", output({{"mediaTypes", "Docker"}, {"annotations", {{"a", "b"}}}}),
            Errc::kInvalid, "spec.output.annotations: "}),
    [](const auto& test) { return test.param.name; });

Json git(const Json& more) {
  Json source = {{"url", "https://g.test/team/site.git"}};
  source.merge_patch(more);
  return content({{"path", "/x"}, {"git", source}});
}
Json git_with_output(const Json& more, const Json& wanted) {
  auto both = git(more);
  both.merge_patch(output(wanted));
  return both;
}

INSTANTIATE_TEST_SUITE_P(
    WrongAboutGit, CheckSpecRefuses,
    ::testing::Values(
        Bad{"Scheme", git({{"url", "file:///etc"}}), Errc::kInvalid,
            "spec.content[0].git.url: the URL of the git repository must start with https://"},
        Bad{"Program", git({{"url", "ext::sh -c id"}}), Errc::kInvalid,
            "spec.content[0].git.url: "},
        Bad{"Password", git({{"url", "https://me:secret@g.test/a"}}), Errc::kInvalid,
            "put it into the Secret of secretRef"},
        Bad{"ScpForm", git({{"url", "git@g.test:team/site.git"}}), Errc::kInvalid,
            "must be a URL: write ssh://git@g.test/team/site.git"},
        Bad{"EmptyRef", git({{"ref", Json::object()}}), Errc::kInvalid,
            "spec.content[0].git.ref: is empty: write one of branch, tag"},
        Bad{"OptionAsBranch", git({{"ref", {{"branch", "--upload-pack=id"}}}}), Errc::kInvalid,
            "spec.content[0].git.ref: branch must be a branch as git names it"},
        Bad{"Range", git({{"ref", {{"semver", "newest"}}}}), Errc::kInvalid,
            "spec.content[0].git.ref: semver: "},
        Bad{"SubPathAbove", git({{"subPath", "../x"}}), Errc::kInvalid,
            "spec.content[0].git.subPath: "},
        Bad{"SubPathAbsolute", git({{"subPath", "/x"}}), Errc::kInvalid,
            "spec.content[0].git.subPath: "},
        Bad{"Include", git({{"include", {"ok/**", "/x"}}}), Errc::kInvalid,
            "spec.content[0].git.include[1]: "},
        Bad{"Exclude", git({{"exclude", {"../**"}}}), Errc::kInvalid,
            "spec.content[0].git.exclude[0]: "},
        Bad{"TagWithoutGit", output({{"tags", {"v1", "${git.commit}"}}}), Errc::kInvalid,
            "spec.output.tags[1]: ${git.commit} needs an entry of spec.content with git"},
        Bad{"TagOfABranch",
            git_with_output({{"ref", {{"branch", "main"}}}}, {{"tags", {"${git.tag}"}}}),
            Errc::kInvalid, "spec.output.tags[0]: ${git.tag} has no value"},
        Bad{"BranchOfACommit",
            git_with_output({{"ref", {{"commit", std::string(40, 'a')}}}},
                            {{"tags", {"${git.branch}"}}}),
            Errc::kInvalid, "spec.output.tags[0]: ${git.branch} has no value"},
        Bad{"TimesWithoutGit", output({{"timestamps", "SourceRevision"}}), Errc::kInvalid,
            "spec.output.timestamps: SourceRevision takes the time of a git commit"}),
    [](const auto& test) { return test.param.name; });

TEST(CheckSpec, AcceptsContentFromGit) {
  EXPECT_THAT(check_spec(*build_with(git(Json::object()))), IsOk());
  EXPECT_THAT(check_spec(*build_with(git({{"url", "ssh://git@g.test/team/site.git"},
                                          {"ref", {{"branch", "main"}, {"semver", "^1"}}},
                                          {"subPath", "public"},
                                          {"include", {"**/*.html", "css/**"}},
                                          {"exclude", {"**/draft-*"}},
                                          {"recurseSubmodules", true},
                                          {"lfs", true}}))),
              IsOk());
  EXPECT_THAT(check_spec(*build_with(git_with_output(
                  Json::object(), {{"tags", {"${git.branch}-${git.shortCommit}", "${git.commit}"}},
                                   {"timestamps", "SourceRevision"}}))),
              IsOk());
  EXPECT_THAT(check_spec(*build_with(
                  git_with_output({{"ref", {{"semver", "^1"}}}}, {{"tags", {"${git.tag}"}}}))),
              IsOk());
}

TEST(CheckSpec, AcceptsWhatCanBeBuilt) {
  EXPECT_THAT(check_spec(*build_with()), IsOk());
  EXPECT_THAT(check_spec(*build_with({{"base", {{"image", "scratch"}}}})), IsOk());
  EXPECT_THAT(check_spec(*build_with(output({{"tags", {"${date}-${generation}", "${inputKey}"}}}))),
              IsOk());
  // Another tag of the base's repository is fine.
  EXPECT_THAT(check_spec(*build_with(output({{"image", "docker.io/library/nginx:mine"}}))), IsOk());
}

}  // namespace
}  // namespace kiln::plan
