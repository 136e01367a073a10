#include "core/build/image_layers.h"

#include <gtest/gtest.h>

#include "tests/unit/core/build/stored_images.h"

namespace kiln::build {
namespace {

using testing::FailsWith;
using testing::IsOk;

class Layers : public StoredImages {
 protected:
  void SetUp() override {
    const auto entry = add_image("r.test/app", "linux/amd64",
                                 {testing::directory("etc"), testing::file("etc/motd", "hello")});
    registry_.set_tag("r.test/app", "1", entry.digest);
    reader_ = builder_.reader(*oci::Reference::parse("r.test/app:1"), {});
    auto request = std::make_shared<BuildRequest>();
    request->base.reference = *oci::Reference::parse("r.test/app:1");
    layers_ = std::make_unique<ImageLayers>(
        builder_, reader_, run(builder_.resolve_base(request))->platforms.front().image, access_);
    registry_.forget_calls();
  }

  Result<std::string> cat(const std::string& path) {
    StringSink sink;
    auto written = run(image::cat_file(*layers_, pool_, path, sink));
    if (!written) return std::move(written).error();
    return sink.take();
  }

  std::shared_ptr<store::ImageReader> reader_;
  std::unique_ptr<ImageLayers> layers_;
};

TEST_F(Layers, AreThoseOfTheImage) {
  EXPECT_EQ(layers_->count(), 1U);
  const auto index = run(layers_->index(0));
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ((*index)->entries.size(), 2U);
  EXPECT_THAT(run(layers_->blob(0)), IsOk());
}

TEST_F(Layers, AreReadForTheirHeadersOnce) {
  ASSERT_THAT(run(layers_->index(0)), IsOk());
  ASSERT_THAT(run(layers_->index(0)), IsOk());
  EXPECT_EQ(registry_.count("fetch_blob_into"), 1U);
}

TEST_F(Layers, FromTheCacheCostNothingWhereAFileIsNotThere) {
  ASSERT_THAT(run(layers_->index(0)), IsOk());
  registry_.forget_calls();
  EXPECT_THAT(cat("/etc/none"), FailsWith(Errc::kNotFound, "/etc/none"));
  EXPECT_TRUE(registry_.calls().empty());
}

TEST_F(Layers, GiveTheBytesOfAFile) {
  EXPECT_EQ(*cat("/etc/motd"), "hello");
}

}  // namespace
}  // namespace kiln::build
