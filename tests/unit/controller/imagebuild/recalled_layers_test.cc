// Layers that were made before the controller was started.
#include <gmock/gmock.h>

#include "core/base/file.h"
#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class RecalledLayers : public Reconcile {
 protected:
  /// Two contents, of which one is worth a record, each in its own layer.
  RecalledLayers() {
    const Json files = {{"data", std::string(kLarge, 'x')}};
    kube_.put(kube::kConfigMaps, dump_json({{"metadata", {{"namespace", "web"}, {"name", "large"}}},
                                            {"data", files}}));
    put_build({{"content",
                {{{"configMap", {{"name", "large"}}}, {"path", "/srv/large"}},
                 {{"configMap", {{"name", "pages"}}}, {"path", "/srv/pages"}}}},
               {"output", {{"layers", "PerContent"}}},
               {"remove", nullptr}});
  }

  /// By a controller that has just been started; answers how many bytes of files it made layers of.
  std::uint64_t reconcile_after_a_start() {
    std::uint64_t made = 0;
    build::Builder::Options options;
    options.clock = &clock_;
    options.cache_dir = cache_.path();
    options.recall_layers = true;
    options.watch_layers = [&made](std::uint64_t bytes) {
      made += bytes;
      return layer::Progress();
    };
    build::Builder builder(registry_, pool_, options);
    const Ports ports(kube_, credentials_, registry_, builder, notes_, clock_, view_,
                      git_.sources());
    ImageBuildReconciler started(ports);
    reconcile_by(started);
    look();
    EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
    EXPECT_EQ(tag(), digest());
    return made;
  }

  static constexpr std::size_t kLarge = 300 * 1024;
  TempDir cache_ = *TempDir::create("kiln-test");
};

TEST_F(RecalledLayers, AreNotMadeAgain) {
  EXPECT_GT(reconcile_after_a_start(), kLarge);
  put_pages("edited");
  EXPECT_EQ(reconcile_after_a_start(), std::string("edited").size());
}

TEST_F(RecalledLayers, AreMadeAgainForARegistryThatHasLostThem) {
  reconcile_after_a_start();
  const auto lost = *oci::Digest::parse(json_string(status()["layers"][0], "digest"));
  registry_.forget_blob("r.test/team/site", lost);
  put_pages("edited");
  registry_.forget_calls();

  reconcile_after_a_start();

  EXPECT_TRUE(registry_.has("r.test/team/site", lost));
  EXPECT_THAT(registry_.call_lines(),
              ::testing::Contains("has_blob r.test/team/site@" + lost.str()))
      << "it is asked before the layer is made, and that is not done while it is sent";
}

}  // namespace
}  // namespace kiln::imagebuild
