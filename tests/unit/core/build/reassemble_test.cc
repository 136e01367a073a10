// Builder::reassemble: layers of an earlier build on another base.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/unit/core/build/build_fixture.h"

namespace kiln::build {
namespace {

using testing::IsOk;

class Reassemble : public BuildFixture {
 protected:
  void build_first() {
    const auto built = build(site());
    ASSERT_THAT(built, IsOk());
    ASSERT_NE(built->image.layers_key, "");
    earlier_.key = built->image.layers_key;
    earlier_.repository = oci::Reference::parse("r.test/team/site:latest")->repository();
    for (std::size_t i = 0; i < built->image.layers.size(); ++i) {
      const auto& layer = built->image.layers[i];
      earlier_.layers.emplace_back(layer.blob.descriptor(), layer.diff_id, built->image.lines[i]);
    }
  }

  /// The base's tag gets another image, for these platforms.
  void change_base(std::vector<layer::Entry> entries,
                   const std::vector<std::string>& platforms = {"linux/amd64", "linux/arm64"}) {
    entries.push_back(testing::file("base-version", "2"));
    image::ImageSet set;
    set.as_index = true;
    for (const auto& platform : platforms)
      set.images.push_back(testing::add_image(registry_, "r.test/nginx", platform, entries));
    registry_.add_manifest("r.test/nginx", "1.27", set.index());
  }

  /// With content of which nothing but the identity is known.
  Result<std::optional<Assembled>> reassemble(const std::shared_ptr<const BuildRequest>& request) {
    auto content = run(builder_.fetch_content(request));
    if (!content) return content.error();
    for (auto& one : *content) {
      one.content.tree = {};
      one.content.unread = true;
    }
    auto base = run(builder_.resolve_base(request));
    if (!base) return base.error();
    return run(builder_.reassemble(
        request, std::make_shared<const ResolvedImage>(std::move(*base)),
        std::make_shared<const std::vector<FetchedContent>>(std::move(*content)),
        std::make_shared<const EarlierLayers>(earlier_)));
  }

  /// By a builder that has seen nothing yet.
  std::string digest_of_a_fresh_build(const std::shared_ptr<const BuildRequest>& request) {
    Builder fresh(registry_, pool_, Builder::Options{});
    return run(fresh.assemble_all(request))->images.top().digest.str();
  }

  EarlierLayers earlier_;
};

TEST_F(Reassemble, OnANewBaseGivesTheImageThatAFreshBuildGives) {
  build_first();
  change_base(testing::nginx_like_entries());

  const auto again = reassemble(site());

  ASSERT_THAT(again, IsOk());
  ASSERT_TRUE(again->has_value());
  EXPECT_EQ((*again)->images.top().digest.str(), digest_of_a_fresh_build(site()));
  EXPECT_EQ((*again)->layers_key, earlier_.key) << "the next base may have them, too";
  EXPECT_EQ((*again)->images.images.front().layers().back().repository, earlier_.repository);
}

TEST_F(Reassemble, FollowsThePlatformsOfTheBase) {
  build_first();
  for (const auto& platforms :
       {std::vector<std::string>{"linux/amd64", "linux/arm64", "linux/arm/v7"}, {"linux/arm64"}}) {
    change_base(testing::nginx_like_entries(), platforms);
    const auto again = reassemble(site());
    ASSERT_THAT(again, IsOk());
    ASSERT_TRUE(again->has_value());
    EXPECT_EQ((*again)->images.images.size(), platforms.size());
    EXPECT_EQ((*again)->images.top().digest.str(), digest_of_a_fresh_build(site()));
  }
}

TEST_F(Reassemble, AppliesAnotherConfigurationToTheSameLayers) {
  build_first();
  const auto other = site();
  other->config.user = "101";
  const auto again = reassemble(other);
  ASSERT_TRUE(again && again->has_value());
  EXPECT_EQ((*again)->images.top().digest.str(), digest_of_a_fresh_build(other));
}

TEST_F(Reassemble, TellsOfPathsThatTheNewBaseDoesNotHave) {
  auto with_none = site();
  with_none->remove.push_back("/opt/none");
  const auto built = build(with_none);
  ASSERT_THAT(built, IsOk());
  earlier_.key = built->image.layers_key;
  for (std::size_t i = 0; i < built->image.layers.size(); ++i)
    earlier_.layers.emplace_back(built->image.layers[i].blob.descriptor(),
                                 built->image.layers[i].diff_id, built->image.lines[i]);
  const auto again = reassemble(with_none);
  ASSERT_TRUE(again && again->has_value());
  EXPECT_EQ((*again)->warnings, built->image.warnings);
}

struct Difference {
  std::string name;
  std::function<void(BuildRequest&, EarlierLayers&, std::vector<layer::Entry>& base)> make;
};

class ReassembleNot : public Reassemble, public ::testing::WithParamInterface<Difference> {};

TEST_P(ReassembleNot, WhereTheLayersAreNotShownToBeTheSame) {
  build_first();
  const auto request = site();
  auto entries = testing::nginx_like_entries();
  GetParam().make(*request, earlier_, entries);
  change_base(entries);

  const auto again = reassemble(request);

  ASSERT_THAT(again, IsOk());
  EXPECT_FALSE(again->has_value());
}

using Entries = std::vector<layer::Entry>;

INSTANTIATE_TEST_SUITE_P(
    Builder, ReassembleNot,
    ::testing::Values(
        Difference{"AnotherOwnerInTheBase",
                   [](BuildRequest&, EarlierLayers&, Entries& base) {
                     for (auto& entry : base)
                       if (entry.path == "usr/share/nginx") entry.uid = 101;
                   }},
        Difference{"OtherContent",
                   [](BuildRequest& request, EarlierLayers&, Entries&) {
                     std::vector<source::NamedFile> files;
                     files.emplace_back("index.html", "other");
                     request.content.front().source =
                         std::make_shared<source::InlineSource>("inline", "1", std::move(files));
                   }},
        Difference{"AnotherModeOfFiles",
                   [](BuildRequest& request, EarlierLayers&, Entries&) {
                     request.content.front().ownership.file_mode = 0600;
                   }},
        Difference{"AnotherCompressor",
                   [](BuildRequest& request, EarlierLayers&, Entries&) {
                     request.compression = layer::Compression::kZstd;
                   }},
        Difference{"OtherMediaTypes", [](BuildRequest& request, EarlierLayers&,
                                         Entries&) { request.docker_media_types = true; }},
        Difference{"LessToRemove",
                   [](BuildRequest& request, EarlierLayers&, Entries&) { request.remove.clear(); }},
        Difference{"ALineThatWasCut", [](BuildRequest&, EarlierLayers& earlier,
                                         Entries&) { earlier.layers.front().line.pop_back(); }},
        Difference{"ALayerThatIsMissing", [](BuildRequest&, EarlierLayers& earlier,
                                             Entries&) { earlier.layers.pop_back(); }},
        Difference{"AnotherLayerInItsPlace",
                   [](BuildRequest&, EarlierLayers& earlier, Entries&) {
                     earlier.layers.front().descriptor.digest = oci::Digest::of("other");
                   }}),
    [](const auto& test) { return test.param.name; });

TEST_F(Reassemble, NeedsLayersThatAllPlatformsShare) {
  image::ImageSet set;
  set.as_index = true;
  auto entries = testing::nginx_like_entries();
  set.images.push_back(testing::add_image(registry_, "r.test/nginx", "linux/amd64", entries));
  for (auto& entry : entries)
    if (entry.path == "usr/share/nginx") entry.uid = 101;
  set.images.push_back(testing::add_image(registry_, "r.test/nginx", "linux/arm64", entries));
  registry_.add_manifest("r.test/nginx", "1.27", set.index());

  EXPECT_EQ(build(site())->image.layers_key, "");
}

}  // namespace
}  // namespace kiln::build
