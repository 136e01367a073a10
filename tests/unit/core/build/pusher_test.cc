#include "core/build/pusher.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/core/build/build_fixture.h"

namespace kiln::build {
namespace {

using testing::FailsWith;
using testing::IsOk;

class Push : public BuildFixture {
 protected:
  std::shared_ptr<const image::ImageSet> images(
      const std::shared_ptr<const BuildRequest>& request) {
    return std::make_shared<image::ImageSet>(build(request)->image.images);
  }

  Result<PushReport> push(const std::shared_ptr<const image::ImageSet>& set, const std::string& to,
                          std::vector<std::string> tags = {"latest"}) {
    auto destination = registry_destination(registry_, *oci::Reference::parse_repository(to), {});
    auto report = run(push_content(set, *destination, registry_, always({}), nullptr));
    if (!report) return report;
    auto published = run(publish(set, *destination, std::move(tags)));
    if (!published) return published.error();
    return report;
  }
};

TEST_F(Push, StoresTheImageUnderItsTag) {
  const auto set = images(site());
  ASSERT_THAT(push(set, "r.test/site"), IsOk());
  EXPECT_EQ(registry_.tag("r.test/site", "latest"), set->top().digest);
}

TEST_F(Push, OfWhatTheRegistryLostMeanwhileIsDoneOnceMore) {
  const auto set = images(site());
  const Error lost(Errc::kConflict, "MANIFEST_BLOB_UNKNOWN");
  const auto destination =
      registry_destination(registry_, *oci::Reference::parse_repository("r.test/site"), {});
  registry_.forget_calls();
  registry_.fail_next("put_manifest", lost);

  ASSERT_THAT(run(push_images(set, *destination, registry_, always({}), nullptr, {"latest"})),
              IsOk());

  EXPECT_EQ(registry_.tag("r.test/site", "latest"), set->top().digest);
  registry_.fail_next("put_manifest", lost, 10);
  EXPECT_THAT(run(push_images(set, *destination, registry_, always({}), nullptr, {"another"})),
              FailsWith(Errc::kConflict, "MANIFEST_BLOB_UNKNOWN"));
}

TEST_F(Push, SendsBlobsThenManifestsThenTheIndexAndTheTagLast) {
  const auto set = images(site());
  registry_.forget_calls();

  ASSERT_THAT(push(set, "r.test/site"), IsOk());

  const auto lines = registry_.call_lines();
  const auto first_manifest = std::find_if(lines.begin(), lines.end(), [](const auto& line) {
    return line.starts_with("put_manifest");
  });
  EXPECT_TRUE(std::none_of(first_manifest, lines.end(),
                           [](const auto& line) { return line.starts_with("ensure_blob"); }));
  EXPECT_EQ(lines.back(), "put_manifest r.test/site:latest");
  EXPECT_EQ(registry_.count("put_manifest"), 3u);
}

TEST_F(Push, MountsTheBasesLayersWithinARegistryAndDownloadsNothing) {
  const auto set = images(site());
  registry_.forget_calls();
  ASSERT_THAT(push(set, "r.test/site"), IsOk());
  EXPECT_EQ(registry_.count("mount_blob"), 1u);  // Both platforms share the base's one layer here.
  EXPECT_EQ(registry_.count("fetch_blob_into"), 0u);
}

TEST_F(Push, CopiesTheBasesLayersToAnotherRegistry) {
  const auto set = images(site());
  ASSERT_THAT(push(set, "other.test/site"), IsOk());
  EXPECT_TRUE(registry_.has("other.test/site", set->images[0].layers()[0].descriptor.digest));
}

TEST_F(Push, SendsNothingTwice) {
  const auto set = images(site());
  const auto first = push(set, "r.test/site");
  const auto second = push(set, "r.test/site");
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_GT(first->uploaded_bytes, 0u);
  EXPECT_EQ(second->uploaded_bytes, 0u);
}

TEST_F(Push, OfWhatIsThereUnderItsTagsWritesNothing) {
  const auto set = images(site());
  const auto destination =
      registry_destination(registry_, *oci::Reference::parse_repository("r.test/site"), {});
  const auto push_to = [&](const std::vector<std::string>& tags) {
    registry_.forget_calls();
    EXPECT_THAT(run(push_images(set, *destination, registry_, always({}), nullptr, tags)), IsOk());
    return registry_.count("put_manifest");
  };
  ASSERT_EQ(push_to({"latest"}), 3u);

  EXPECT_EQ(push_to({"latest"}), 0u);
  EXPECT_GT(push_to({"latest", "another"}), 0u);
  EXPECT_EQ(registry_.tag("r.test/site", "another"), set->top().digest);
}

TEST_F(Push, LeavesTheTagWhereItWasWhenAnyCallFails) {
  const auto old_set = images(site());
  ASSERT_THAT(push(old_set, "r.test/site"), IsOk());
  auto request = site();
  request->content.emplace_back(files({{"new.html", "new"}}), "/usr/share/nginx/html");
  const auto new_set = images(request);
  registry_.forget_calls();
  ASSERT_THAT(push(new_set, "probe.test/site"), IsOk());
  const auto calls = registry_.calls().size();

  for (std::size_t n = 1; n <= calls; ++n) {
    registry_.forget_calls();
    registry_.fail_call(n, Error(Errc::kUnavailable, "connection was cut"));
    const auto result = push(new_set, "r.test/site");
    const auto& expected = result.has_error() ? *old_set : *new_set;
    EXPECT_EQ(registry_.tag("r.test/site", "latest"), expected.top().digest) << n;
    registry_.set_tag("r.test/site", "latest", old_set->top().digest);
  }
}

TEST_F(Push, SaysWhatItWasDoing) {
  const auto set = images(site());
  registry_.fail_next("put_manifest", Error(Errc::kDenied, "no"), 3);
  EXPECT_THAT(push(set, "r.test/site"), FailsWith(Errc::kDenied, "pushing manifest"));
}

}  // namespace
}  // namespace kiln::build
