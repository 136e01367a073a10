// The fake is used in many tests, so it has tests of its own.
#include "tests/support/fake_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using testing::run_task;

layer::Blob blob_of(std::string bytes) {
  oci::Descriptor descriptor("application/octet-stream", oci::Digest::of(bytes), bytes.size());
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  return {descriptor, [kept] {
            return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>(*kept, kept));
          }};
}

oci::RawManifest image_of(const oci::Descriptor& config) {
  const oci::Manifest manifest(std::string(oci::media_type::kOciManifest), config);
  return {manifest.media_type, manifest.to_json()};
}

TEST(FakeRegistry, PushThenPullIsTheIdentity) {
  fakes::FakeRegistry registry;
  const auto config = blob_of("{}");
  const auto manifest = image_of(config.descriptor());

  EXPECT_EQ(*run_task(registry.ensure_blob(kShop, config, {}, {})), PushResult::kUploaded);
  EXPECT_EQ(*run_task(registry.ensure_blob(kShop, config, {}, {})), PushResult::kAlreadyPresent);
  ASSERT_TRUE(run_task(registry.put_manifest(kShop, "v1", manifest, {})));
  const auto reference = *oci::Reference::parse("r.test/shop:v1");
  const auto pulled = run_task(registry.fetch_manifest(reference, {}));

  ASSERT_TRUE(pulled);
  EXPECT_EQ(pulled->bytes, manifest.bytes);
  EXPECT_EQ(run_task(registry.resolve(reference, {}))->digest, manifest.digest);
  EXPECT_EQ(*run_task(registry.fetch_blob(kShop, config.descriptor(), {})), "{}");
  EXPECT_EQ(registry.tag("r.test/shop", "v1"), manifest.digest);
  EXPECT_EQ(registry.uploads(), 1u);
  EXPECT_EQ(registry.count("ensure_blob"), 2u);
  EXPECT_EQ(registry.call_lines()[2], "put_manifest r.test/shop:v1");
}

TEST(FakeRegistry, TakesNoManifestBeforeItsBlobsAndNoWrongBytes) {
  fakes::FakeRegistry registry;
  const auto config = blob_of("{}");
  const auto early =
      run_task(registry.put_manifest(kShop, "v1", image_of(config.descriptor()), {}));
  ASSERT_TRUE(early.has_error());
  EXPECT_EQ(early.error().code, Errc::kConflict);

  const layer::Blob wrong(config.descriptor(), [] {
    return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>("[]"));
  });
  const auto refused = run_task(registry.ensure_blob(kShop, wrong, {}, {}));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::kCorrupt);
}

TEST(FakeRegistry, MountsWithinOneRegistryOnly) {
  fakes::FakeRegistry registry;
  const auto blob = registry.add_blob("r.test/base", "bytes");
  const oci::Repository base{"r.test", "base"};
  const oci::Repository elsewhere{"other.test", "shop"};
  EXPECT_TRUE(*run_task(registry.mount_blob(kShop, blob, base, {})));
  EXPECT_FALSE(*run_task(registry.mount_blob(elsewhere, blob, base, {})));
  EXPECT_EQ(*run_task(registry.ensure_blob({"r.test", "x"}, blob_of("bytes"), base, {})),
            PushResult::kMounted);
}

TEST(FakeRegistry, FailsTheNthCallOrTheNextOfAKind) {
  fakes::FakeRegistry registry;
  registry.fail_call(2, Error(Errc::kUnavailable, "cut"));
  registry.fail_next("has_blob", Error(Errc::kDenied, "no"));
  const auto digest = oci::Digest::of("x");
  std::vector<Errc> codes;
  for (int i = 0; i < 3; ++i) {
    const auto found = run_task(registry.has_blob(kShop, digest, {}));
    codes.push_back(found ? Errc::kInternal : found.error().code);
  }
  EXPECT_THAT(codes, ElementsAre(Errc::kDenied, Errc::kUnavailable, Errc::kInternal));
}

TEST(FakeRegistry, AsksForCredentialsWhereRequired) {
  fakes::FakeRegistry registry;
  registry.require("r.test", login("me", "1"));
  const auto digest = oci::Digest::of("x");
  EXPECT_EQ(run_task(registry.has_blob(kShop, digest, {})).error().code, Errc::kUnauthorized);
  EXPECT_TRUE(run_task(registry.has_blob(kShop, digest, access_with({login("me", "1")}))));
  EXPECT_EQ(registry.calls()[1].credentials, std::vector{login("me", "1")});
}

TEST(FakeRegistry, RemovesTagsAndManifests) {
  fakes::FakeRegistry registry;
  const auto digest =
      registry.add_manifest("r.test/shop", "v1", image_of(blob_of("{}").descriptor()));
  registry.set_tag("r.test/shop", "v2", digest);
  const auto reference = *oci::Reference::parse("r.test/shop:v1");
  ASSERT_TRUE(run_task(registry.remove(reference, {})));
  EXPECT_THAT(registry.tags("r.test/shop"), ElementsAre("v2"));
  ASSERT_TRUE(run_task(registry.remove(reference.with_digest(digest), {})));
  EXPECT_TRUE(registry.tags("r.test/shop").empty());
  EXPECT_EQ(registry.manifest_count("r.test/shop"), 0u);
}

TEST(FakeRegistry, ChecksALoginWhereItAsksForOne) {
  fakes::FakeRegistry registry;
  registry.require("r.test", login("me", "secret"));

  EXPECT_TRUE(*run_task(registry.check_login("r.test", access_with({login("me", "secret")}))));
  EXPECT_FALSE(*run_task(registry.check_login("open.test", {})));
  const auto refused = run_task(registry.check_login("r.test", access_with({login("me", "x")})));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::kUnauthorized);
  EXPECT_EQ(registry.call_lines()[0], "check_login r.test");
}

}  // namespace
}  // namespace kiln::registry
