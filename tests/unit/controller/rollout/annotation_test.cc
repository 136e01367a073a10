#include "controller/rollout/annotation.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::rollout {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using Kind = Place::Kind;

ImageFrom from(std::string build, Kind kind, std::string name) {
  ImageFrom entry;
  entry.image_build = std::move(build);
  entry.place = Place(kind, std::move(name));
  return entry;
}

TEST(ImageFromAnnotation, NamesContainersAndVolumes) {
  const auto entries = parse_image_from(
      R"([{"imageBuild":"site","container":"web"}, {"volume":"pages.1","imageBuild":"site"}])");
  ASSERT_THAT(entries, IsOk());
  EXPECT_EQ(*entries, (std::vector<ImageFrom>{from("site", Kind::kContainer, "web"),
                                              from("site", Kind::kVolume, "pages.1")}));
}

TEST(ImageFromAnnotation, MayNameAVolumeAndAContainerOfOneName) {
  EXPECT_THAT(parse_image_from(
                  R"([{"imageBuild":"a","container":"web"},{"imageBuild":"a","volume":"web"}])"),
              IsOk());
}

TEST(ImageFromAnnotation, SaysPlacesInWords) {
  EXPECT_EQ(Place(Kind::kContainer, "web").str(), "container \"web\"");
  EXPECT_EQ(Place(Kind::kVolume, "pages").str(), "volume \"pages\"");
}

struct BadAnnotation {
  std::string name, text, why;
};

class ImageFromRefuses : public ::testing::TestWithParam<BadAnnotation> {};

TEST_P(ImageFromRefuses, WithASentenceThatSaysWhatToWrite) {
  EXPECT_THAT(parse_image_from(GetParam().text), FailsWith(Errc::kInvalid, GetParam().why));
}

std::string many_entries() {
  std::string text = "[";
  for (int i = 0; i < 65; ++i)
    text +=
        (i > 0 ? "," : "") + (R"({"imageBuild":"a","container":"c)" + std::to_string(i)) + "\"}";
  return text + "]";
}

INSTANTIATE_TEST_SUITE_P(
    Annotation, ImageFromRefuses,
    ::testing::ValuesIn(std::vector<BadAnnotation>{
        {"NoJson", "site",
         "kiln.build/image-from is not valid JSON (at byte 1); it must be as in [{"},
        {"Empty", "", "it must be as in"},
        {"NoList", R"({"imageBuild":"a","container":"b"})",
         "must be a list with at least one entry"},
        {"EmptyList", "[]", "must be a list with at least one entry"},
        {"DeepNesting", "[[[[[[]]]]]]", "it must be as in"},
        {"TooMany", many_entries(), "kiln.build/image-from has more than 64 entries"},
        {"NoObject", R"(["site"])", "kiln.build/image-from[0] must be an object, as in [{"},
        {"UnknownField", R"([{"imageBuild":"a","container":"b","namespace":"c"}])",
         "[0] has an unknown field; there are imageBuild and either container or volume"},
        {"NoImageBuild", R"([{"container":"b"}])", "[0].imageBuild is missing"},
        {"NoPlace", R"([{"imageBuild":"a"}])", "[0] must have either container or volume"},
        {"TwoPlaces", R"([{"imageBuild":"a","container":"b","volume":"c"}])",
         "[0] must have either container or volume"},
        {"AnotherNamespace", R"([{"imageBuild":"other/a","container":"b"}])",
         "[0].imageBuild must be a name of lower case letters, digits, \"-\" and \".\", of an "
         "ImageBuild in the same namespace"},
        {"NameOfAnotherType", R"([{"imageBuild":"a","container":7}])",
         "[0].container must be a name of lower case letters"},
        {"EmptyName", R"([{"imageBuild":"a","volume":""}])", "[0].volume must be a name"},
        {"LongName", R"([{"imageBuild":"a","volume":")" + std::string(254, 'a') + "\"}]",
         "[0].volume must be a name"},
        {"Twice", R"([{"imageBuild":"a","container":"b"},{"imageBuild":"c","container":"b"}])",
         "[1] names container \"b\" once more"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::rollout
