#include <gmock/gmock.h>

#include "controller/plan/plan.h"
#include "tests/support/matchers.h"
#include "tests/unit/controller/plan/spec_text.h"

namespace kiln::plan {
namespace {

using ::testing::ElementsAre;

const TagFacts kFacts{WallTime(std::chrono::seconds(1'767'225'600)), std::string(64, 'a'), 5};

Result<std::vector<std::string>> tags(const std::string& image, const Json& more) {
  return render_tags(*build_with({{"output", {{"image", image}, {"tags", more}}}}), kFacts);
}

TEST(RenderTags, PutsTheTagOfTheImageFirst) {
  EXPECT_THAT(*tags("r.test/site:v2", {"latest"}), ElementsAre("v2", "latest"));
  EXPECT_THAT(*tags("r.test/site", {"v1"}), ElementsAre("latest", "v1"));
}

TEST(RenderTags, FillsInVariables) {
  EXPECT_THAT(*tags("r.test/site:a", {"${date}", "g${generation}-x", "${inputKey}"}),
              ElementsAre("a", "2026-01-01", "g5-x", std::string(64, 'a')));
}

TEST(FixedTags, AreThoseWithoutVariables) {
  const auto build = build_with(
      {{"output",
        {{"image", "r.test/site:a"}, {"tags", {"v1", "${date}", "a", "x-${inputKey}"}}}}});
  EXPECT_THAT(fixed_tags(*build), ElementsAre("a", "v1"));
}

Result<std::vector<std::string>> git_tags(const std::string& branch, const std::string& tag,
                                          const Json& more) {
  auto facts = kFacts;
  facts.commit.emplace();
  facts.commit->commit = "0123456789abcdef0123456789abcdef01234567";
  facts.commit->branch = branch;
  facts.commit->tag = tag;
  return render_tags(*build_with({{"output", {{"image", "r.test/site:a"}, {"tags", more}}}}),
                     facts);
}

TEST(RenderTags, FillsInVariablesOfGit) {
  EXPECT_THAT(*git_tags("main", "", {"${git.branch}-${git.shortCommit}", "${git.commit}"}),
              ElementsAre("a", "main-0123456", "0123456789abcdef0123456789abcdef01234567"));
  EXPECT_THAT(*git_tags("", "v1.4.2", {"${git.tag}"}), ElementsAre("a", "v1.4.2"));
}

TEST(RenderTags, MakesATagOfWhatOnlyGitAllowsInANameOfItsOwn) {
  EXPECT_THAT(*git_tags("feature/a#1", "", {"${git.branch}"}), ElementsAre("a", "feature-a-1"));
  EXPECT_THAT(*git_tags("", "v1.0.0+b", {"${git.tag}"}), ElementsAre("a", "v1.0.0-b"));
}

TEST(RenderTags, SaysWhichVariableOfGitHasNoValue) {
  EXPECT_THAT(
      git_tags("main", "", {"x", "${git.tag}"}),
      kiln::testing::FailsWith(Errc::kInvalid, "spec.output.tags[1]: ${git.tag} has no value"));
  EXPECT_THAT(tags("r.test/site:a", {"${git.commit}"}),
              kiln::testing::FailsWith(Errc::kInvalid, "needs an entry of spec.content with git"));
}

TEST(RenderTags, GivesEachTagOnce) {
  EXPECT_THAT(*tags("r.test/site:5", {"${generation}", "5", "6"}), ElementsAre("5", "6"));
}

TEST(RenderTags, RefusesWhatBecomesNoTag) {
  EXPECT_THAT(tags("r.test/site:a", {std::string(100, 'x') + "${inputKey}"}),
              kiln::testing::FailsWith(Errc::kInvalid, "spec.output.tags[0]"));
  EXPECT_THAT(tags("r.test/site:a", {"${date"}),
              kiln::testing::FailsWith(Errc::kInvalid, "holds ${ without }"));
}

}  // namespace
}  // namespace kiln::plan
