// Pushing to and pulling from a real registry.
#include "tests/integration/registry/registry_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;

class Push : public RegistryTest {};

TEST_F(Push, ThenPullIsTheIdentity) {
  KILN_SERVE();
  const SmallImage image("hello");

  const auto pushed = push("team/shop", image);
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(http->take_methods(),
              ElementsAre("HEAD", "POST", "PUT", "HEAD", "POST", "PUT", "PUT"));

  const auto found = run(client->resolve(reference("team/shop", "v1"), {}));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, image.manifest.descriptor());
  EXPECT_THAT(http->take_methods(), ElementsAre("HEAD"));
  const auto manifest = run(client->fetch_manifest(reference("team/shop", "v1"), {}));
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->bytes, image.manifest.bytes);
  StringSink layer;
  const auto fetched =
      run(client->fetch_blob_into(repository("team/shop"), image.layer.descriptor(), {}, layer));
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(layer.str(), "hello");
  EXPECT_TRUE(run(client->fetch_blob(repository("team/shop"), image.config.descriptor(), {})));
  EXPECT_EQ(registry->open_uploads(), 0u);
}

TEST_F(Push, SendsNothingTwice) {
  KILN_SERVE();
  const SmallImage image("hello");
  ASSERT_TRUE(push("shop", image));

  http->take_methods();
  ASSERT_TRUE(push("shop", image));
  EXPECT_THAT(http->take_methods(), ElementsAre("PUT"));
  new_client();
  ASSERT_TRUE(push("shop", image));
  EXPECT_THAT(http->take_methods(), ElementsAre("HEAD", "HEAD", "PUT"));
}

TEST_F(Push, MountsWhatAnotherRepositoryHas) {
  KILN_SERVE();
  const SmallImage image("hello");
  ASSERT_TRUE(push("base", image));
  http->take_methods();

  const auto mounted = ensure("shop", image.layer, {}, repository("base"));
  ASSERT_TRUE(mounted) << mounted.error().message;
  EXPECT_EQ(*mounted, PushResult::kMounted);
  EXPECT_THAT(http->take_methods(), ElementsAre("HEAD", "POST"));
  const auto absent = blob_of("absent", "application/octet-stream");
  EXPECT_FALSE(
      *run(client->mount_blob(repository("shop"), absent.descriptor(), repository("base"), {})));
  EXPECT_EQ(*ensure("shop", absent, {}, repository("base")), PushResult::kUploaded);
  EXPECT_EQ(registry->open_uploads(), 0u);
}

TEST_F(Push, BytesThatDoNotMatchTheirDigestAreRefused) {
  KILN_SERVE();
  const auto good = blob_of("good", "application/octet-stream");
  const layer::Blob bad(good.descriptor(), [] {
    return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>("evil"));
  });

  const auto pushed = ensure("shop", bad);

  ASSERT_TRUE(pushed.has_error());
  EXPECT_EQ(pushed.error().code, Errc::kCorrupt) << pushed.error().message;
  EXPECT_FALSE(*run(client->has_blob(repository("shop"), good.descriptor().digest, {})));
  EXPECT_EQ(registry->open_uploads(), 0u);
}

TEST_F(Push, TheTagStaysWhereItIsWhileBlobsAreMissing) {
  KILN_SERVE();
  const SmallImage old_image("old");
  const SmallImage new_image("new");
  ASSERT_TRUE(push("shop", old_image));
  ASSERT_TRUE(ensure("shop", new_image.layer));

  const auto early = run(client->put_manifest(repository("shop"), "v1", new_image.manifest, {}));
  ASSERT_TRUE(early.has_error());
  EXPECT_EQ(early.error().code, Errc::kConflict) << early.error().message;
  EXPECT_EQ(run(client->resolve(reference("shop", "v1"), {}))->digest, old_image.manifest.digest);

  ASSERT_TRUE(push("shop", new_image));
  EXPECT_EQ(run(client->resolve(reference("shop", "v1"), {}))->digest, new_image.manifest.digest);
}

/// Breaks off after some bytes, the first time it is opened.
class BreakingSource final : public ByteSource {
 public:
  BreakingSource(std::shared_ptr<const std::string> bytes, std::size_t limit)
      : inner_(std::string_view(*bytes).substr(0, limit), bytes) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    auto got = inner_.read(buffer);
    if (got && *got == 0) return Error(Errc::kUnavailable, "cut by the test");
    return got;
  }

 private:
  MemorySource inner_;
};

TEST_F(Push, AfterACutTheRestIsSent) {
  KILN_SERVE();
  const auto bytes = std::make_shared<const std::string>(8 * 1024 * 1024, 'x');
  auto opened = std::make_shared<int>(0);
  oci::Descriptor descriptor("application/octet-stream", oci::Digest::of(*bytes), bytes->size());
  const layer::Blob blob(descriptor, [bytes, opened]() -> Result<std::unique_ptr<ByteSource>> {
    if ((*opened)++ > 0) return std::make_unique<MemorySource>(*bytes, bytes);
    return std::make_unique<BreakingSource>(bytes, 5 * 1024 * 1024);
  });

  const auto pushed = ensure("shop", blob);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(http->take_methods(), ElementsAre("HEAD", "POST", "PUT", "GET", "PUT"));
  const auto fetched = run(client->fetch_blob(repository("shop"), descriptor, {}));
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(registry->open_uploads(), 0u);
}

TEST_F(Push, AnEmptyBlobIsABlob) {
  KILN_SERVE();
  const auto empty = blob_of("", "application/octet-stream");
  const auto pushed = ensure("shop", empty);
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(*run(client->fetch_blob(repository("shop"), empty.descriptor(), {})), "");
}

TEST_F(Push, AbsentThingsAreNotFoundAndCanBeRemoved) {
  KILN_SERVE();
  const SmallImage image("hello");
  ASSERT_TRUE(push("shop", image));
  const auto by_digest = reference("shop", "v1").with_digest(image.manifest.digest);

  for (const auto& absent : {reference("shop", "v2"), reference("nowhere", "v1")}) {
    EXPECT_EQ(run(client->resolve(absent, {})).error().code, Errc::kNotFound);
    EXPECT_EQ(run(client->fetch_manifest(absent, {})).error().code, Errc::kNotFound);
  }
  ASSERT_TRUE(run(client->remove(by_digest, {})));
  EXPECT_EQ(run(client->resolve(reference("shop", "v1"), {})).error().code, Errc::kNotFound);
  EXPECT_TRUE(run(client->remove(by_digest, {})));
}

TEST_F(Push, AnotherClientAgreesOnTheDigest) {
  const auto crane = find_program("crane");
  if (!crane) GTEST_SKIP() << "no program \"crane\" in KILN_TOOLS_PATH or PATH";
  KILN_SERVE();
  const SmallImage image("hello");
  ASSERT_TRUE(push("shop", image));

  const auto command = *crane + " digest " + registry->name() + "/shop:v1 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  char line[256] = {};
  ASSERT_NE(pipe, nullptr);
  ASSERT_NE(fgets(line, sizeof line, pipe), nullptr);
  pclose(pipe);
  EXPECT_EQ(std::string(line), image.manifest.digest.str() + "\n");
}

}  // namespace
}  // namespace kiln::registry
