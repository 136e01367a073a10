// Manifests, downloads and what the client remembers.
#include "core/registry/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_task;
using ::testing::StartsWith;

const std::string kManifestJson =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)"
    R"({"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:)" +
    std::string(64, 'c') + R"(","size":2},"layers":[]})";
const std::string kOciManifest(oci::media_type::kOciManifest);
const std::string kManifests = "https://r.test/v2/shop/manifests/";

oci::Reference tagged() {
  return *oci::Reference::parse("r.test/shop:v1");
}
oci::Reference pinned(const oci::Digest& digest) {
  return tagged().with_digest(digest);
}

template <class T>
void expect_error(const Result<T>& result, Errc code, const std::string& text) {
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(name_of(result.error().code), name_of(code)) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr(text));
}

// --- resolve -------------------------------------------------------------------------------------

TEST(Resolve, OneHeadIsEnoughWhenItSaysAll) {
  Scripted world;
  const auto digest = oci::Digest::of("x");
  world.http.answer(200, "",
                    {{"Docker-Content-Digest", digest.str()},
                     {"Content-Type", kOciManifest + "; charset=utf-8"},
                     {"Content-Length", "1234"}});

  const auto found = run_task(world.client->resolve(tagged(), {}));

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, oci::Descriptor(kOciManifest, digest, 1234));
  EXPECT_THAT(world.lines(), ElementsAre("HEAD " + kManifests + "v1"));
  EXPECT_THAT(std::string(world.http.seen()[0].headers.get("Accept")),
              HasSubstr("docker.distribution.manifest.list.v2+json"));
}

struct PoorHead {
  std::string name;
  int status;
  fakes::HeaderList headers;
};

class ResolveByGet : public ::testing::TestWithParam<PoorHead> {};

TEST_P(ResolveByGet, WhereHeadSaysTooLittle) {
  Scripted world;
  world.http.answer(GetParam().status, "", GetParam().headers);
  world.http.answer(200, kManifestJson, {{"Content-Type", kOciManifest}});

  const auto found = run_task(world.client->resolve(tagged(), {}));

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->digest, oci::Digest::of(kManifestJson));
  EXPECT_EQ(found->size_bytes, kManifestJson.size());
}

const auto kSomeDigest = "sha256:" + std::string(64, 'd');

INSTANTIATE_TEST_SUITE_P(
    Heads, ResolveByGet,
    ::testing::ValuesIn(std::vector<PoorHead>{
        {"MethodNotAllowed", 405, {}},
        {"NoDigest", 200, {{"Content-Type", kOciManifest}, {"Content-Length", "5"}}},
        {"NoLength", 200, {{"Content-Type", kOciManifest}, {"Docker-Content-Digest", kSomeDigest}}},
        {"WrongType",
         200,
         {{"Content-Type", "text/html"},
          {"Content-Length", "5"},
          {"Docker-Content-Digest", kSomeDigest}}},
        {"WrongDigest",
         200,
         {{"Content-Type", kOciManifest},
          {"Content-Length", "5"},
          {"Docker-Content-Digest", "md5:x"}}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(Resolve, AbsentIsNotFound) {
  Scripted world;
  world.http.answer(404);
  expect_error(run_task(world.client->resolve(tagged(), {})), Errc::kNotFound,
               "r.test/shop:v1 was not found");
}

TEST(Resolve, AnotherDigestThanAskedForIsCorrupt) {
  Scripted world;
  world.http.answer(200, "",
                    {{"Docker-Content-Digest", kSomeDigest},
                     {"Content-Type", kOciManifest},
                     {"Content-Length", "5"}});
  expect_error(run_task(world.client->resolve(pinned(oci::Digest::of("x")), {})), Errc::kCorrupt,
               "instead of sha256:");
}

// --- fetch_manifest ------------------------------------------------------------------------------

TEST(FetchManifest, KeepsTheBytesAndComputesTheDigest) {
  Scripted world;
  world.http.answer(200, kManifestJson, {{"Content-Type", kOciManifest}});

  const auto manifest = run_task(world.client->fetch_manifest(tagged(), {}));

  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->bytes, kManifestJson);
  EXPECT_EQ(manifest->digest, oci::Digest::of(kManifestJson));
  EXPECT_EQ(manifest->media_type, kOciManifest);
}

TEST(FetchManifest, BelievesNeitherBodyNorHeader) {
  Scripted world;
  world.http.answer(200, kManifestJson, {{"Content-Type", kOciManifest}});
  expect_error(run_task(world.client->fetch_manifest(pinned(oci::Digest::of("other")), {})),
               Errc::kCorrupt, "instead of " + oci::Digest::of("other").str());

  world.http.answer(200, kManifestJson,
                    {{"Content-Type", kOciManifest}, {"Docker-Content-Digest", kSomeDigest}});
  expect_error(run_task(world.client->fetch_manifest(tagged(), {})), Errc::kCorrupt, "instead of");
}

TEST(FetchManifest, AWebPageIsNotAManifest) {
  Scripted world;
  world.http.answer(200, "<html>hello</html>", {{"Content-Type", "text/html"}});
  expect_error(run_task(world.client->fetch_manifest(tagged(), {})), Errc::kCorrupt,
               "r.test/shop:v1: ");
}

TEST(FetchManifest, AnEndlessOneIsCutOff) {
  Scripted world;
  world.http.answer(200, std::string(9 * 1024 * 1024, 'x'));
  expect_error(run_task(world.client->fetch_manifest(tagged(), {})), Errc::kInvalid, "larger than");
}

// --- put_manifest --------------------------------------------------------------------------------

TEST(PutManifest, ByTagOrByDigest) {
  Scripted world;
  const oci::RawManifest manifest(kOciManifest, kManifestJson);
  world.http.answer(201, "", {{"Docker-Content-Digest", manifest.digest.str()}});
  world.http.answer(201);

  ASSERT_TRUE(run_task(world.client->put_manifest(kShop, "v1", manifest, {})));
  ASSERT_TRUE(run_task(world.client->put_manifest(kShop, "", manifest, {})));

  EXPECT_THAT(world.lines(),
              ElementsAre("PUT " + kManifests + "v1", "PUT " + kManifests + manifest.digest.str()));
  EXPECT_EQ(world.http.seen()[0].headers.get("Content-Type"), kOciManifest);
  EXPECT_EQ(fakes::body_text(world.http.seen()[0]), kManifestJson);
}

TEST(PutManifest, AnotherDigestInTheAnswerIsCorrupt) {
  Scripted world;
  world.http.answer(201, "", {{"Docker-Content-Digest", kSomeDigest}});
  const oci::RawManifest manifest(kOciManifest, kManifestJson);
  expect_error(run_task(world.client->put_manifest(kShop, "v1", manifest, {})), Errc::kCorrupt,
               "r.test/shop:v1: the registry answered with " + kSomeDigest);
}

TEST(PutManifest, TooLargeIsNotSent) {
  Scripted world;
  const oci::RawManifest manifest(kOciManifest, std::string(4 * 1024 * 1024 + 1, ' '));
  expect_error(run_task(world.client->put_manifest(kShop, "v1", manifest, {})), Errc::kInvalid,
               "larger than 4 MiB");
  EXPECT_TRUE(world.http.seen().empty());
}

// --- Downloads -----------------------------------------------------------------------------------

oci::Descriptor blob_of(const std::string& bytes) {
  return {"application/octet-stream", oci::Digest::of(bytes), bytes.size()};
}

TEST(FetchBlob, ArrivesInPiecesAndIsVerified) {
  Scripted world;
  world.http.answer_stream(200, {"he", "ll", "o"});
  StringSink sink;

  const auto fetched = run_task(world.client->fetch_blob_into(kShop, blob_of("hello"), {}, sink));

  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(sink.str(), "hello");
  EXPECT_GT(world.http.seen()[0].max_redirects, 0);
}

TEST(FetchBlob, WhatDoesNotMatchIsCorrupt) {
  Scripted world;
  world.http.answer_stream(200, {"hell"});
  world.http.answer_stream(200, {"hello!"});
  world.http.answer_stream(200, {"hallo"});
  const auto subject = "r.test/shop@sha256:" + oci::Digest::of("hello").short_hex();
  for (const auto why : {" has 4 bytes instead of 5", " is larger than the 5 bytes it should have",
                         ": the bytes do not match the digest"})
    expect_error(run_task(world.client->fetch_blob(kShop, blob_of("hello"), {})), Errc::kCorrupt,
                 subject + why);
}

TEST(FetchBlob, ACutOneIsFetchedAgainWhenItIsSmall) {
  Scripted world;
  world.http.answer_stream(200, {"he"}, fakes::StreamEnd::kCut);
  world.http.answer_stream(200, {"hello"});
  const auto fetched = run_task(world.client->fetch_blob(kShop, blob_of("hello"), {}));
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(*fetched, "hello");
}

TEST(FetchBlob, ErrorsCarryTheRegistrysWords) {
  Scripted world;
  world.http.answer(403, R"({"errors":[{"code":"DENIED","message":"no pull for you"}]})");
  expect_error(run_task(world.client->fetch_blob(kShop, blob_of("hello"), {})), Errc::kDenied,
               "DENIED: no pull for you");
}

TEST(FetchBlob, LargeOnesAreRefusedInMemory) {
  Scripted world;
  auto large = blob_of("x");
  large.size_bytes = 9 * 1024 * 1024;
  expect_error(run_task(world.client->fetch_blob(kShop, large, {})), Errc::kInvalid, "8 MiB");
}

TEST(FetchBlob, AFullSinkEndsIt) {
  Scripted world;
  world.http.answer_stream(200, {"hello"});
  StringSink sink(2);
  expect_error(run_task(world.client->fetch_blob_into(kShop, blob_of("hello"), {}, sink)),
               Errc::kInvalid, "more than the allowed 2 bytes");
}

// --- remove, has_blob ----------------------------------------------------------------------------

TEST(Remove, AbsentIsSuccessAndForbiddenIsSaid) {
  Scripted world;
  world.http.answer(202);
  world.http.answer(404);
  world.http.answer(405, R"({"errors":[{"code":"UNSUPPORTED","message":"deletes are off"}]})");

  EXPECT_TRUE(run_task(world.client->remove(tagged(), {})));
  EXPECT_TRUE(run_task(world.client->remove(tagged(), {})));
  expect_error(run_task(world.client->remove(tagged(), {})), Errc::kUnsupported, "deletes are off");

  EXPECT_THAT(world.lines()[0], StartsWith("DELETE " + kManifests + "v1"));
}

TEST(Remove, OfATagIsWhatManyRegistriesDoNotKnow) {
  Scripted world;
  world.http.answer(400, R"({"errors":[{"code":"DIGEST_INVALID","message":"not a digest"}]})");

  expect_error(run_task(world.client->remove(tagged(), {})), Errc::kUnsupported,
               "the registry answered 400: DIGEST_INVALID: not a digest; many registries delete "
               "manifests by digest only, not tags");
}

TEST(HasBlob, IsRememberedForSomeMinutes) {
  Scripted world;
  for (int i = 0; i < 2; ++i) world.http.answer(200);
  const auto digest = oci::Digest::of("x");

  EXPECT_TRUE(*run_task(world.client->has_blob(kShop, digest, {})));
  EXPECT_TRUE(*run_task(world.client->has_blob(kShop, digest, {})));
  EXPECT_EQ(world.http.seen().size(), 1u);
  world.clock.advance(std::chrono::minutes(6));
  EXPECT_TRUE(*run_task(world.client->has_blob(kShop, digest, {})));

  EXPECT_EQ(world.http.seen().size(), 2u);
}

}  // namespace
}  // namespace kiln::registry
