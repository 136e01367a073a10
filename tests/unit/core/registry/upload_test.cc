// Uploads: what is sent, what is not, and what happens after a cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_task;

const std::string kBytes = "0123456789";
const oci::Digest kDigest = oci::Digest::of(kBytes);
const std::string kHead = "HEAD " + blobs_of_shop(kDigest);
const std::string kPost = "POST https://r.test/v2/shop/blobs/uploads/";
const std::string kSession = "https://r.test/up/";
const std::string kQuery = "digest=sha256%3A" + kDigest.hex();

layer::Blob ten_bytes() {
  oci::Descriptor descriptor("application/octet-stream", kDigest, kBytes.size());
  return {descriptor, [] {
            return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>(kBytes));
          }};
}

Result<PushResult> push(Scripted& world, std::optional<oci::Repository> mount_from = {}) {
  return run_task(world.client->ensure_blob(kShop, ten_bytes(), std::move(mount_from), {}));
}

void begins(Scripted& world, const std::string& id) {
  world.http.answer(202, "", {{"Location", "/up/" + id + "?_state=s"}});
}

std::string put_line(const std::string& id) {
  return "PUT " + kSession + id + "?_state=s&" + kQuery;
}

TEST(EnsureBlob, SendsWhatIsMissingInThreeRequests) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.answer(201, "", {{"Docker-Content-Digest", kDigest.str()}});

  const auto pushed = push(world);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(*pushed, PushResult::kUploaded);
  EXPECT_THAT(world.lines(), ElementsAre(kHead, kPost, put_line("1")));
  EXPECT_EQ(fakes::body_text(world.http.seen()[2]), kBytes);
}

Result<PushResult> send(Scripted& world) {
  return run_task(world.client->send_blob(kShop, ten_bytes(), {}));
}

TEST(SendBlob, TakesTwoRequests) {
  Scripted world;
  begins(world, "1");
  world.http.answer(201);

  EXPECT_EQ(*send(world), PushResult::kUploaded);

  EXPECT_THAT(world.lines(), ElementsAre(kPost, put_line("1")));
}

TEST(SendBlob, OfWhatIsKnownToBeThereTakesNone) {
  Scripted world;
  world.http.answer(200);
  EXPECT_EQ(*push(world), PushResult::kAlreadyPresent);
  EXPECT_EQ(*send(world), PushResult::kAlreadyPresent);
  EXPECT_THAT(world.lines(), ElementsAre(kHead));
}

TEST(EnsureBlob, SaysWhyNoUploadBeginsHoweverLongThatIs) {
  const std::string why =
      "the connection was reset by a proxy with a name too long to be kept in place";
  Scripted world;
  world.http.answer(404);
  world.http.fail(Error(Errc::kCancelled, why));

  const auto pushed = push(world);

  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().code, Errc::kCancelled);
  EXPECT_THAT(pushed.error().message, HasSubstr(why));
}

TEST(EnsureBlob, SendsNothingThatIsThere) {
  Scripted world;
  world.http.answer(200);
  EXPECT_EQ(*push(world), PushResult::kAlreadyPresent);
  EXPECT_EQ(*push(world), PushResult::kAlreadyPresent);
  EXPECT_THAT(world.lines(), ElementsAre(kHead));
}

TEST(EnsureBlob, RemembersWhatItSent) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.answer(201);
  EXPECT_EQ(*push(world), PushResult::kUploaded);
  EXPECT_EQ(*push(world), PushResult::kAlreadyPresent);
  EXPECT_EQ(world.http.seen().size(), 3u);
}

// --- Mounts --------------------------------------------------------------------------------------

const oci::Repository kBase{"r.test", "lib/base"};
const std::string kMount = kPost + "?mount=" + kDigest.str() + "&from=lib/base";

TEST(EnsureBlob, MountsFromAnotherRepository) {
  Scripted world;
  world.http.answer(404);
  world.http.answer(201);
  EXPECT_EQ(*push(world, kBase), PushResult::kMounted);
  EXPECT_THAT(world.lines(), ElementsAre(kHead, kMount));
}

TEST(EnsureBlob, AMountThatBecomesAnUploadGoesOnInItsSession) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.answer(201);
  EXPECT_EQ(*push(world, kBase), PushResult::kUploaded);
  EXPECT_THAT(world.lines(), ElementsAre(kHead, kMount, put_line("1")));
}

TEST(EnsureBlob, AFailedMountIsNoFailure) {
  for (const int status : {400, 401, 403, 404, 500}) {
    Scripted world;
    world.http.answer(404);
    world.http.answer(status);
    begins(world, "1");
    world.http.answer(201);
    const auto pushed = push(world, kBase);
    ASSERT_TRUE(pushed) << status << ": " << pushed.error().message;
    EXPECT_THAT(world.lines(), ElementsAre(kHead, kMount, kPost, put_line("1"))) << status;
  }
}

TEST(EnsureBlob, MountsOnlyWithinOneRegistryAndNotFromItself) {
  for (const auto& from : {oci::Repository{"other.test", "lib/base"}, kShop}) {
    Scripted world;
    world.http.answer(404);
    begins(world, "1");
    world.http.answer(201);
    EXPECT_EQ(*push(world, from), PushResult::kUploaded);
    EXPECT_EQ(world.lines()[1], kPost);
  }
}

TEST(EnsureBlob, AMountAsksForPullOnTheSourceAfterPush) {
  Scripted world;
  world.http.answer(404);
  world.http.answer(401, "", {{"WWW-Authenticate", kBearer}});
  world.http.answer(200, R"({"token":"t"})");
  world.http.answer(201);
  EXPECT_EQ(*push(world, kBase), PushResult::kMounted);
  EXPECT_THAT(world.lines()[2], HasSubstr("scope=repository%3Ashop%3Apush%2Cpull"
                                          "&scope=repository%3Alib%2Fbase%3Apull"));
}

TEST(MountBlob, GivesBackTheUploadItDidNotWant) {
  Scripted world;
  begins(world, "1");
  world.http.answer(204);
  const auto mounted =
      run_task(world.client->mount_blob(kShop, ten_bytes().descriptor(), kBase, {}));
  ASSERT_TRUE(mounted);
  EXPECT_FALSE(*mounted);
  EXPECT_THAT(world.lines(), ElementsAre(kMount, "DELETE " + kSession + "1?_state=s"));
}

// --- Cuts ----------------------------------------------------------------------------------------

TEST(EnsureBlob, AfterACutOnlyTheRestIsSent) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.fail(Error(Errc::kUnavailable, "connection was cut"));
  world.http.answer(204, "", {{"Range", "0-3"}, {"Location", "/up/1?_state=newer"}});
  world.http.answer(201);

  const auto pushed = push(world);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(world.lines(),
              ElementsAre(kHead, kPost, put_line("1"), "GET " + kSession + "1?_state=s",
                          "PUT " + kSession + "1?_state=newer&" + kQuery));
  EXPECT_EQ(world.http.seen()[4].headers.get("Content-Range"), "4-9");
  EXPECT_EQ(fakes::body_text(world.http.seen()[4]), "456789");
  EXPECT_EQ(world.waits.size(), 1u);
}

TEST(EnsureBlob, WhenAllHasArrivedOnlyTheEndIsSaid) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.answer(500);
  world.http.answer(204, "", {{"Range", "0-9"}});
  world.http.answer(201);
  EXPECT_EQ(*push(world), PushResult::kUploaded);
  EXPECT_EQ(fakes::body_text(world.http.seen()[4]), "");
  EXPECT_FALSE(world.http.seen()[4].headers.has("Content-Range"));
}

TEST(EnsureBlob, ALostAnswerIsNotALostBlob) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.fail(Error(Errc::kTimeout, "no answer"));
  world.http.answer(404);  // The session has ended,
  world.http.answer(404);  // DELETE finds nothing,
  world.http.answer(200);  // the blob is there.
  EXPECT_EQ(*push(world), PushResult::kUploaded);
  EXPECT_EQ(world.lines().back(), kHead);
}

TEST(EnsureBlob, ASessionThatIsGoneIsFollowedByAnother) {
  struct Gone {
    int status;
    std::string body;
  };
  const auto error = [](const std::string& code) {
    return R"({"errors":[{"code":")" + code + "\"}]}";
  };
  for (const auto& gone :
       {Gone{404, error("BLOB_UPLOAD_UNKNOWN")}, Gone{400, error("BLOB_UPLOAD_INVALID")}}) {
    Scripted world;
    world.http.answer(404);
    begins(world, "1");
    world.http.answer(gone.status, gone.body);
    begins(world, "2");
    world.http.answer(201);
    const auto pushed = push(world);
    ASSERT_TRUE(pushed) << gone.status << ": " << pushed.error().message;
    EXPECT_EQ(world.lines().back(), put_line("2"));
    EXPECT_EQ(fakes::body_text(world.http.seen().back()), kBytes);
  }
}

TEST(EnsureBlob, ARefusedRangeIsCuredByAskingForTheRightOne) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.answer(416, R"({"errors":[{"code":"RANGE_INVALID"}]})");
  world.http.answer(204, "", {{"Range", "0-6"}});
  world.http.answer(201);
  EXPECT_EQ(*push(world), PushResult::kUploaded);
  EXPECT_EQ(fakes::body_text(world.http.seen()[4]), "789");
}

TEST(EnsureBlob, ASessionInANewerStateIsGivenBackAllTheSame) {
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.answer(400, R"({"errors":[{"code":"DIGEST_INVALID"}]})");
  world.http.answer(416);
  world.http.answer(204, "", {{"Range", "0-9"}, {"Location", "/up/1?_state=newer"}});
  world.http.answer(204);
  EXPECT_EQ(push(world).error().code, Errc::kCorrupt);
  EXPECT_EQ(world.lines().back(), "DELETE " + kSession + "1?_state=newer");
}

TEST(EnsureBlob, GivesUpAfterThreeTriesAndGivesTheSessionBack) {
  Scripted world;
  world.http.answer(404);
  world.http.otherwise([](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.method == "POST") return fakes::ScriptedAnswer(202, "", {{"Location", "/up/1"}});
    if (asked.method == "PUT") return Error(Errc::kUnavailable, "connection was cut");
    if (asked.method == "GET") return fakes::ScriptedAnswer(204, "", {{"Range", "0-0"}});
    return fakes::ScriptedAnswer(204);
  });

  const auto pushed = push(world);

  ASSERT_TRUE(pushed.has_error());
  EXPECT_EQ(pushed.error().code, Errc::kUnavailable);
  const auto lines = world.lines();
  EXPECT_EQ(
      std::count_if(lines.begin(), lines.end(), [](const auto& l) { return l.starts_with("PUT"); }),
      3);
  EXPECT_EQ(lines.back(), "DELETE https://r.test/up/1");
}

// g++ 12 destroyed the error twice where begin() stood behind the ? of a conditional expression.
TEST(EnsureBlob, AnUploadThatCannotBeginIsAnError) {
  Scripted world;
  world.http.answer(404);
  world.http.answer(500, R"({"errors":[{"code":"UNKNOWN","message":"no space left on device"}]})");

  const auto pushed = push(world);

  ASSERT_TRUE(pushed.has_error());
  EXPECT_EQ(pushed.error().code, Errc::kNoSpace);
  EXPECT_THAT(pushed.error().message, HasSubstr("no space left on device"));
  EXPECT_THAT(world.lines(), ElementsAre(kHead, kPost));
}

struct Fatal {
  std::string name;
  int status;
  std::string code, message;
  Errc expected;
};

class UploadFails : public ::testing::TestWithParam<Fatal> {};

TEST_P(UploadFails, AtOnceAndGivesTheSessionBack) {
  const auto& param = GetParam();
  Scripted world;
  world.http.answer(404);
  begins(world, "1");
  world.http.answer(param.status, R"({"errors":[{"code":")" + param.code + R"(","message":")" +
                                      param.message + R"("}]})");
  world.http.answer(204);

  const auto pushed = push(world);

  ASSERT_TRUE(pushed.has_error());
  EXPECT_EQ(name_of(pushed.error().code), name_of(param.expected));
  EXPECT_THAT(pushed.error().message, HasSubstr(param.message));
  EXPECT_EQ(world.lines().back(), "DELETE " + kSession + "1?_state=s");
  EXPECT_TRUE(world.waits.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, UploadFails,
    ::testing::ValuesIn(std::vector<Fatal>{
        {"WrongDigest", 400, "DIGEST_INVALID", "does not match", Errc::kCorrupt},
        {"DiskFull", 500, "UNKNOWN", "no space left on device", Errc::kNoSpace},
        {"Denied", 403, "DENIED", "read only", Errc::kDenied},
        {"TooLarge", 413, "SIZE_INVALID", "too large", Errc::kInvalid},
    }),
    [](const auto& test) { return test.param.name; });

// --- Elsewhere (attacks A2, A4) ------------------------------------------------------------------

TEST(EnsureBlob, AuthorizationDoesNotFollowToAnotherHost) {
  Scripted world;
  world.http.answer(401, "", {{"WWW-Authenticate", "Basic realm=\"r\""}});
  world.http.answer(404);
  world.http.answer(202, "", {{"Location", "https://store.test/up/1?sig=x"}});
  world.http.answer(401, "", {{"WWW-Authenticate", "Basic realm=\"steal\""}});
  world.http.answer(204);

  const auto pushed = run_task(
      world.client->ensure_blob(kShop, ten_bytes(), {}, access_with({login("me", "secret")})));

  ASSERT_TRUE(pushed.has_error());
  EXPECT_EQ(pushed.error().message,
            "r.test/shop: store.test, where the registry keeps this, answered 401");
  EXPECT_EQ(world.authorization(2), basic("me:secret"));
  EXPECT_EQ(world.authorization(3), "");
  EXPECT_EQ(world.http.seen()[3].named_by, http::AddressKind::kPublic);
}

TEST(EnsureBlob, ATokenThatExpiresDuringTheUploadIsRenewed) {
  Scripted world;
  const auto expired = [&] { world.http.answer(401, "", {{"WWW-Authenticate", kBearer}}); };
  expired();
  world.http.answer(200, R"({"token":"one"})");
  world.http.answer(404);
  begins(world, "1");
  expired();
  world.http.answer(200, R"({"token":"two"})");
  world.http.answer(201);

  const auto pushed = push(world);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(world.authorization(6), "Bearer two");
  EXPECT_EQ(fakes::body_text(world.http.seen()[6]), kBytes);
}

// --- Several at once -----------------------------------------------------------------------------

Result<fakes::ScriptedAnswer> plain_registry(const http::Request& asked) {
  if (asked.method == "HEAD") return fakes::ScriptedAnswer(404);
  if (asked.method == "POST") return fakes::ScriptedAnswer(202, "", {{"Location", "/up/1"}});
  return fakes::ScriptedAnswer(201);
}

TEST(EnsureBlob, ManyAtOnceSendOnce) {
  Scripted world;
  world.http.otherwise(plain_registry);
  std::vector<Task<Result<PushResult>>> pushes;
  for (int i = 0; i < 20; ++i)
    pushes.push_back(world.client->ensure_blob(kShop, ten_bytes(), {}, {}));

  const auto results = run_together(std::move(pushes));

  ASSERT_EQ(results.size(), 20u);
  for (const auto& result : results) EXPECT_TRUE(result);
  EXPECT_EQ(world.http.seen().size(), 3u);
}

TEST(EnsureBlob, OnesRefusalIsNotTheOthers) {
  Scripted world;
  world.http.otherwise([](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.headers.get("Authorization") == basic("good:1")) return plain_registry(asked);
    return fakes::ScriptedAnswer(401, "", {{"WWW-Authenticate", "Basic realm=\"r\""}});
  });
  std::vector<Task<Result<PushResult>>> pushes;
  pushes.push_back(
      world.client->ensure_blob(kShop, ten_bytes(), {}, access_with({login("bad", "1")})));
  pushes.push_back(
      world.client->ensure_blob(kShop, ten_bytes(), {}, access_with({login("good", "1")})));

  const auto results = run_together(std::move(pushes));

  ASSERT_EQ(results.size(), 2u);
  EXPECT_TRUE(results[0].has_error());
  EXPECT_TRUE(results[1]);
}

// --- What the registry lost (R8) -----------------------------------------------------------------

TEST(EnsureBlob, WhatTheRegistryLostIsSentAgainWhateverItClaims) {
  for (const bool names_it : {true, false}) {
    Scripted world;
    world.http.answer(200);
    ASSERT_EQ(*push(world), PushResult::kAlreadyPresent);
    const auto detail = names_it ? R"({"digest":")" + kDigest.str() + "\"}" : std::string("{}");
    world.http.answer(400,
                      R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":)" + detail + "}]}");
    const oci::Manifest image(std::string(oci::media_type::kOciManifest), ten_bytes().descriptor());
    const oci::RawManifest manifest(image.media_type, image.to_json());

    const auto put = run_task(world.client->put_manifest(kShop, "v1", manifest, {}));
    ASSERT_TRUE(put.has_error());
    EXPECT_EQ(put.error().code, Errc::kConflict);
    begins(world, "1");
    world.http.answer(201);
    EXPECT_EQ(*push(world, kBase), PushResult::kUploaded);

    EXPECT_EQ(world.lines()[2], kPost);
    EXPECT_EQ(*push(world), PushResult::kAlreadyPresent);
    EXPECT_EQ(world.http.seen().size(), 4u);
  }
}

TEST(Push, OfASmallNewImageTakesSevenRequests) {
  Scripted world;
  world.http.otherwise(plain_registry);
  const oci::RawManifest manifest(std::string(oci::media_type::kOciManifest), "{}");
  const std::string config = "{}";
  oci::Descriptor descriptor("config", oci::Digest::of(config), config.size());
  const layer::Blob config_blob(descriptor, [&config] {
    return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>(config));
  });

  ASSERT_TRUE(push(world));
  ASSERT_TRUE(run_task(world.client->ensure_blob(kShop, config_blob, {}, {})));
  ASSERT_TRUE(run_task(world.client->put_manifest(kShop, "v1", manifest, {})));

  EXPECT_EQ(world.http.seen().size(), 7u);
}

}  // namespace
}  // namespace kiln::registry
