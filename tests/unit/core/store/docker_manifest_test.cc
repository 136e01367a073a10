#include "core/store/docker_manifest.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::store {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

TEST(DockerManifest, IsReadWithAndWithoutNames) {
  const auto images = parse_docker_manifest(
      R"([{"Config":"a.json","RepoTags":["site:1","site:2"],"Layers":["1/layer.tar","2/layer.tar"]},
          {"Config":"b.json","RepoTags":null,"Layers":null,"LayerSources":{}}])");
  ASSERT_THAT(images, IsOk());
  ASSERT_EQ(images->size(), 2U);
  EXPECT_EQ((*images)[0].config, "a.json");
  EXPECT_EQ((*images)[0].names, (std::vector<std::string>{"site:1", "site:2"}));
  EXPECT_EQ((*images)[0].layers, (std::vector<std::string>{"1/layer.tar", "2/layer.tar"}));
  EXPECT_TRUE((*images)[1].names.empty());
  EXPECT_TRUE((*images)[1].layers.empty());
}

struct BadText {
  std::string name, text, why;
};

class DockerManifestRefuses : public ::testing::TestWithParam<BadText> {};

TEST_P(DockerManifestRefuses, WithAReason) {
  EXPECT_THAT(parse_docker_manifest(GetParam().text), FailsWith(Errc::kCorrupt, GetParam().why));
}

std::string many(const std::string& one) {
  std::string list = one;
  for (int i = 0; i < 4096; ++i) list += "," + one;
  return "[" + list + "]";
}

INSTANTIATE_TEST_SUITE_P(
    Parse, DockerManifestRefuses,
    ::testing::ValuesIn(std::vector<BadText>{
        {"NoJson", "[{", "manifest.json: "},
        {"AnObject", "{}", "manifest.json: it is no list of at most 4096 images"},
        {"TooManyImages", many("{}"), "it is no list of at most 4096 images"},
        {"NoImages", "[1]", "manifest.json: it holds something else than images"},
        {"NoConfig", R"([{"Layers":[]}])", "manifest.json: an image without \"Config\""},
        {"AConfigThatIsNoName", R"([{"Config":1}])", "an image without \"Config\""},
        {"LayersThatAreNoList", R"([{"Config":"a","Layers":"b"}])", "\"Layers\" is no list"},
        {"TooManyLayers", R"([{"Config":"a","Layers":)" + many("\"x\"") + "}]",
         "\"Layers\" is no list of at most 4096 names"},
        {"LayersThatAreNoNames", R"([{"Config":"a","Layers":[1]}])",
         "\"Layers\" holds something else than names"},
        {"NamesThatAreNone", R"([{"Config":"a","RepoTags":[{}]}])",
         "\"RepoTags\" holds something else than names"},
    }),
    [](const auto& test) { return test.param.name; });

DockerImage image(const std::string& config, std::vector<std::string> names) {
  DockerImage made;
  made.config = config;
  made.names = std::move(names);
  return made;
}

TEST(DockerManifest, ChoosesTheOnlyImageOrTheNamedOne) {
  const std::vector<DockerImage> two = {image("a", {"site:1", "site:2"}),
                                        image("b", {"docker.io/library/nginx:1.27"})};
  EXPECT_EQ(choose_docker_image({two[0]}, "")->config, "a");
  EXPECT_EQ(choose_docker_image(two, "site:2")->config, "a");
  EXPECT_EQ(choose_docker_image(two, "nginx:1.27")->config, "b");
  EXPECT_EQ(choose_docker_image(two, "index.docker.io/library/nginx:1.27")->config, "b");
}

TEST(DockerManifest, SaysWhichImagesThereAreToChooseFrom) {
  const std::vector<DockerImage> two = {image("a", {"site:1", "site:2"}), image("b", {})};
  const auto why = [&](const std::string& name) {
    return choose_docker_image(two, name).error().message;
  };
  EXPECT_EQ(why(""),
            "there are 2 images in it; choose one by its name: site:1, site:2, one "
            "without a name");
  EXPECT_EQ(why("other:1"), "it has no image other:1, but site:1, site:2, one without a name");
  EXPECT_EQ(choose_docker_image({}, "").error().message, "there is no image in it");
  const std::vector<DockerImage> twins = {image("a", {"x:1"}), image("b", {"x:1"})};
  EXPECT_EQ(choose_docker_image(twins, "x:1").error().message, "2 images in it have the name x:1");
}

}  // namespace
}  // namespace kiln::store
