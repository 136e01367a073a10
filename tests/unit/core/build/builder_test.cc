#include "core/build/builder.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <future>

#include "core/image/validate.h"
#include "tests/unit/core/build/build_fixture.h"

namespace kiln::build {
namespace {

using testing::FailsWith;
using testing::IsOk;

class Build : public BuildFixture {};

TEST_F(Build, MakesAnImageForEveryLinuxPlatformWithOneSharedContentLayer) {
  const auto built = build(site());

  ASSERT_THAT(built, IsOk());
  const auto& images = built->image.images.images;
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].config().platform().str(), "linux/amd64");
  EXPECT_EQ(images[1].config().platform().str(), "linux/arm64");
  EXPECT_EQ(images[0].layers().back().descriptor, images[1].layers().back().descriptor);
  EXPECT_EQ(built->image.layers.size(), 2u);  // Whiteouts and content, each once.
}

TEST_F(Build, PutsItsLayersOnTopOfTheBasesUntouchedOnes) {
  const auto built = build(site());
  ASSERT_THAT(built, IsOk());
  for (const auto& image : built->image.images.images) {
    EXPECT_THAT(image::validate(image), IsOk());
    EXPECT_EQ(image.layers().size(), 3u);
    EXPECT_EQ(image.layers().front().repository->str(), "r.test/nginx");
    EXPECT_EQ(image.config().history().back().created_by, "kiln content /usr/share/nginx/html");
  }
}

TEST_F(Build, GivesTheSameKeyAndBytesAgain) {
  const auto first = build(site());
  Builder other(registry_, pool_, Builder::Options{});
  const auto second = build(site());
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->key, second->key);
  EXPECT_EQ(first->image.images.top().bytes, second->image.images.top().bytes);
}

TEST_F(Build, AllAtOnceIsTheSameAsStepByStep) {
  const auto steps = build(site());
  ASSERT_THAT(steps, IsOk());
  const auto at_once = run(builder_.assemble_all(site()));
  ASSERT_THAT(at_once, IsOk());
  EXPECT_EQ(at_once->images.top().bytes, steps->image.images.top().bytes);
  EXPECT_EQ(at_once->warnings, steps->image.warnings);
}

TEST_F(Build, TellsHowFarItsLayersAre) {
  std::uint64_t total = 0;
  std::atomic<std::uint64_t> seen = 0;
  Builder::Options options;
  options.watch_layers = [&](std::uint64_t bytes) {
    total = bytes;
    return [&seen](std::uint64_t more) { seen += more; };
  };
  Builder watched(registry_, pool_, options);
  ASSERT_THAT(run(watched.assemble_all(site())), IsOk());
  EXPECT_EQ(total, std::string("hello").size());
  EXPECT_GE(seen, total);
}

TEST_F(Build, AllAtOnceFailsWithTheErrorOfItsStep) {
  auto no_such_base = site();
  no_such_base->base.reference = *oci::Reference::parse("r.test/none:1");
  EXPECT_THAT(run(builder_.assemble_all(no_such_base)),
              FailsWith(Errc::kNotFound, "r.test/none:1"));
  auto bad_name = site();
  bad_name->content.emplace_back(files({{".wh.index.html", "x"}}), "/srv");
  EXPECT_THAT(run(builder_.assemble_all(bad_name)),
              FailsWith(Errc::kInvalid, "content[1] (inline)"));
}

TEST_F(Build, OfOnePlatformIsAPlainManifest) {
  auto request = site();
  request->base.platforms = {*oci::Platform::parse("linux/arm64")};
  const auto built = build(request);
  ASSERT_THAT(built, IsOk());
  EXPECT_EQ(built->image.images.top().media_type, oci::media_type::kOciManifest);
}

TEST_F(Build, SaysWhichPlatformTheBaseLacks) {
  auto request = site();
  request->base.platforms = {*oci::Platform::parse("linux/s390x")};
  EXPECT_EQ(run(builder_.resolve_base(request))->missing_platforms.at(0).str(), "linux/s390x");
  EXPECT_THAT(build(request), FailsWith(Errc::kInvalid, "has no image for linux/s390x"));
}

TEST_F(Build, FromScratchHasOnlyItsContent) {
  auto request = std::make_shared<BuildRequest>();
  request->content.emplace_back(files({{"a/b.txt", "x"}}), "/");
  const auto built = build(request);
  ASSERT_THAT(built, IsOk());
  ASSERT_EQ(built->image.images.images.size(), 1u);
  EXPECT_EQ(built->image.images.images[0].layers().size(), 1u);
  EXPECT_TRUE(registry_.calls().empty());
}

TEST_F(Build, OfAFewSmallFilesWaitsForNothingThatThePoolIsBusyWith) {
  std::promise<void> end;
  auto work = [ended = end.get_future().share()] {
    ended.wait();
    return true;
  };
  boost::asio::io_context others;
  for (std::size_t i = 0; i < pool_.threads(); ++i)
    boost::asio::co_spawn(others, pool_.run(work), boost::asio::detached);
  others.poll();
  auto request = std::make_shared<BuildRequest>();
  request->content.emplace_back(files({{"index.html", "hello"}}), "/srv");

  std::promise<void> built;
  auto waiting = std::async(std::launch::async, [&end, done = built.get_future()] {
    const bool came = done.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
    end.set_value();
    return came;
  });

  const auto image = build(request);

  built.set_value();
  EXPECT_TRUE(waiting.get()) << "it was done when the pool was";
  others.run();
  EXPECT_THAT(image, IsOk());
}

TEST_F(Build, ReadsTheBasesLayersOnlyOnceEver) {
  ASSERT_THAT(build(site()), IsOk());
  registry_.forget_calls();
  Builder restarted(registry_, pool_, Builder::Options{cache_.path(), ""});
  auto request = site();

  auto content = run(restarted.fetch_content(request));
  auto base = run(restarted.resolve_base(request));
  auto image = run(restarted.assemble(request, std::make_shared<ResolvedImage>(*base),
                                      std::make_shared<std::vector<FetchedContent>>(*content)));

  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(registry_.count("fetch_blob_into"), 0u);
}

TEST_F(Build, AsksOnlyForTheTagWhenTheBaseIsKnown) {
  ASSERT_THAT(run(builder_.resolve_base(site())), IsOk());
  registry_.forget_calls();
  ASSERT_THAT(run(builder_.resolve_base(site())), IsOk());
  EXPECT_EQ(registry_.call_lines(), std::vector<std::string>{"resolve r.test/nginx:1.27"});
}

TEST_F(Build, OfABaseThatIsKnownFromAnotherRepositoryReadsItThere) {
  testing::add_base(registry_, "r.test/other", "1.27");
  auto other = site();
  other->base.reference = *oci::Reference::parse("r.test/other:1.27");
  const auto first = run(builder_.resolve_base(site()));
  registry_.forget_calls();

  const auto second = run(builder_.resolve_base(other));

  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->digest, first->digest);
  EXPECT_EQ(second->platforms.front().image.layers().front().repository->str(), "r.test/other");
  EXPECT_GT(registry_.count("fetch_manifest"), 0u);
}

TEST_F(Build, OfAKnownBaseAnswersThePlatformsThatAreAskedFor) {
  auto all = site();
  all->base.platforms.clear();
  auto one = site();
  one->base.platforms = {*oci::Platform::parse("linux/arm64")};

  const auto both = run(builder_.resolve_base(all));
  const auto arm = run(builder_.resolve_base(one));

  ASSERT_THAT(both, IsOk());
  ASSERT_THAT(arm, IsOk());
  EXPECT_EQ(both->platforms.size(), 2u);
  ASSERT_EQ(arm->platforms.size(), 1u);
  EXPECT_EQ(arm->platforms.front().platform.str(), "linux/arm64");
  EXPECT_EQ(run(builder_.resolve_base(all))->platforms.size(), 2u);
}

TEST_F(Build, SaysWhichContentEntryIsWrong) {
  auto request = site();
  request->content.emplace_back(files({{".wh.index.html", "x"}}), "/srv");
  EXPECT_THAT(build(request), FailsWith(Errc::kInvalid, "content[1] (inline)"));
}

TEST_F(Build, SaysWhichTwoContentEntriesCollideAndWhatToDo) {
  auto request = site();
  request->content.emplace_back(files({{"a", "x"}}), "/opt");
  request->content.emplace_back(files({{"b", "x"}}), "/opt/a");
  EXPECT_THAT(build(request), FailsWith(Errc::kInvalid, "content[2] (inline): "));
  EXPECT_THAT(build(request),
              FailsWith(Errc::kInvalid,
                        "; that is from content[1] (inline): give one of them another path, or "
                        "leave the file out"));
}

TEST_F(Build, WithPerContentLayersMakesOneLayerForEach) {
  auto request = site();
  request->layers = LayerPolicy::kPerContent;
  request->content.emplace_back(files({{"more.html", "x"}}), "/usr/share/nginx/html");
  const auto built = build(request);
  ASSERT_THAT(built, IsOk());
  EXPECT_EQ(built->image.layers.size(), 3u);
}

TEST_F(Build, OfADockerTypedImageMixesNoFamilies) {
  auto request = site();
  request->docker_media_types = true;
  const auto built = build(request);
  ASSERT_THAT(built, IsOk());
  const auto top = built->image.images.top();
  EXPECT_EQ(top.media_type, oci::media_type::kDockerIndex);
  for (const auto& image : built->image.images.images)
    EXPECT_EQ(image.manifest().bytes.find("vnd.oci"), std::string::npos);
}

}  // namespace
}  // namespace kiln::build
