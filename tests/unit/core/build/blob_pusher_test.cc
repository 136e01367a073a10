#include "core/build/blob_pusher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/build/stored_images.h"

namespace kiln::build {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::IsEmpty;
using testing::IsOk;

class Pushing : public StoredImages {
 protected:
  layer::Blob blob(const std::string& bytes) const { return layer::Blob::of("text/plain", bytes); }

  image::LayerSource stored(const std::string& repository, const std::string& bytes) {
    image::LayerSource source(registry_.add_blob(repository, bytes));
    source.repository = *oci::Reference::parse_repository(repository);
    return source;
  }

  PushListener listener() {
    return [this](const PushEvent& event) {
      const char* kind = event.kind == PushEvent::Kind::kUploaded ? "uploaded "
                         : event.kind == PushEvent::Kind::kReused ? "reused "
                                                                  : "manifest ";
      told_.push_back(kind + event.what + " " + std::to_string(event.bytes));
    };
  }

  std::vector<std::string> told_;
  std::unique_ptr<store::Destination> destination_ =
      registry_destination(registry_, *oci::Reference::parse_repository("r.test/site"), {});
  BlobPusher pusher_{*destination_, registry_, always({}), listener()};
};

TEST_F(Pushing, SendsWhatIsHereAndTellsWhetherItWasThere) {
  ASSERT_THAT(run(pusher_.put(blob("12345"), "layer one")), IsOk());
  ASSERT_THAT(run(pusher_.put(blob("12345"), "layer one again")), IsOk());
  EXPECT_TRUE(registry_.has("r.test/site", oci::Digest::of("12345")));
  EXPECT_THAT(told_, ElementsAre("uploaded layer one 5", "reused layer one again 5"));
  EXPECT_EQ(pusher_.report().uploaded_bytes, 5U);
  EXPECT_EQ(pusher_.report().reused_bytes, 5U);
}

TEST_F(Pushing, CopiesWhatIsHereWithoutAskingWhereElseItIs) {
  image::LayerSource here(blob("12345").descriptor());
  here.blob = blob("12345");
  registry_.forget_calls();
  ASSERT_THAT(run(pusher_.copy(here, "layer")), IsOk());
  EXPECT_EQ(registry_.count("ensure_blob"), registry_.calls().size());
}

TEST_F(Pushing, LinksWhatTheSameRegistryHas) {
  ASSERT_THAT(run(pusher_.copy(stored("r.test/base", "12345"), "layer")), IsOk());
  EXPECT_TRUE(registry_.has("r.test/site", oci::Digest::of("12345")));
  EXPECT_EQ(registry_.count("fetch_blob_into"), 0U);
  EXPECT_THAT(told_, ElementsAre("reused layer 5"));
}

TEST_F(Pushing, DownloadsAndSendsWhatOnlyAnotherRegistryHas) {
  ASSERT_THAT(run(pusher_.copy(stored("other.test/base", "12345"), "layer")), IsOk());
  EXPECT_TRUE(registry_.has("r.test/site", oci::Digest::of("12345")));
  EXPECT_THAT(told_, ElementsAre("uploaded layer 5"));
}

TEST_F(Pushing, SaysWhatItWasDoing) {
  registry_.fail_next("ensure_blob", Error(Errc::kDenied, "no"), 1);
  EXPECT_THAT(run(pusher_.put(blob("1"), "config x")),
              FailsWith(Errc::kDenied, "pushing config x: no"));
  registry_.fail_next("has_blob", Error(Errc::kUnavailable, "cut"), 1);
  EXPECT_THAT(run(pusher_.copy(stored("other.test/base", "1"), "layer x")),
              FailsWith(Errc::kUnavailable, "pushing layer x: cut"));
  registry_.fail_next("fetch_blob_into", Error(Errc::kUnauthorized, "who?"), 1);
  EXPECT_THAT(run(pusher_.copy(stored("other.test/base", "1"), "layer x")),
              FailsWith(Errc::kUnauthorized, "copying layer x from other.test/base: who?"));
  registry_.fail_next("put_manifest", Error(Errc::kConflict, "lacks"), 1);
  const oci::RawManifest manifest(std::string(oci::media_type::kOciManifest), "{}");
  EXPECT_THAT(
      run(pusher_.put_manifest(manifest)),
      FailsWith(Errc::kConflict, "pushing manifest " + manifest.digest.short_hex() + ": lacks"));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(Pushing, StoresManifestsByDigestAlone) {
  const auto raw = *registry_.manifest("r.test/nginx", *oci::Digest::parse(base_digest_));
  const auto index = *oci::Index::parse(raw.bytes);
  for (const auto& entry : index.manifests) {
    const auto child = *registry_.manifest("r.test/nginx", entry.digest);
    const auto manifest = *oci::Manifest::parse(child.bytes);
    for (auto blob : {manifest.config, manifest.layers.front()}) {
      image::LayerSource source(std::move(blob));
      source.repository = *oci::Reference::parse_repository("r.test/nginx");
      ASSERT_THAT(run(pusher_.copy(std::move(source), "blob")), IsOk());
    }
    ASSERT_THAT(run(pusher_.put_manifest(child)), IsOk());
    EXPECT_TRUE(registry_.manifest("r.test/site", entry.digest).has_value());
  }
  EXPECT_THAT(registry_.tags("r.test/site"), IsEmpty());
}

TEST_F(Pushing, DoesNotGuessWhereALayerIs) {
  const image::LayerSource nowhere(blob("1").descriptor());
  EXPECT_THAT(run(pusher_.copy(nowhere, "layer x")),
              FailsWith(Errc::kNotFound,
                        "pushing layer x: r.test/site does not have it, and "
                        "nothing tells where it is"));
}

TEST_F(Pushing, ButLinksWhatIsThereWhereverItCameFrom) {
  const image::LayerSource there(registry_.add_blob("r.test/site", "12345"));
  ASSERT_THAT(run(pusher_.copy(there, "layer")), IsOk());
  EXPECT_THAT(told_, ElementsAre("reused layer 5"));
}

}  // namespace
}  // namespace kiln::build
