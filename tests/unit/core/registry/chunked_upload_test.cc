// Uploads in chunks: when they are chosen, and what becomes of refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_task;

constexpr std::size_t kMiB = 1024 * 1024;

layer::Blob blob_of(std::string bytes) {
  oci::Descriptor descriptor("application/octet-stream", oci::Digest::of(bytes), bytes.size());
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  return {descriptor, [kept] {
            return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>(*kept, kept));
          }};
}

/// A registry that keeps what it is sent, behind something that refuses large bodies.
struct SmallDoor {
  std::string stored{};
  std::size_t largest_body = SIZE_MAX;
  bool knows_patch = true;
  bool knows_whole = true;
  int refuse_chunks_above_with_416 = 0;
  std::string min_length{};
  std::string stuck_range{};

  Result<fakes::ScriptedAnswer> operator()(const http::Request& asked) {
    const auto body = fakes::body_text(asked);
    if (asked.method == "HEAD") return fakes::ScriptedAnswer(404);
    if (asked.method == "POST") {
      fakes::ScriptedAnswer begun(202, "", {{"Location", "/up/1"}});
      if (!min_length.empty()) begun.headers.set("OCI-Chunk-Min-Length", min_length);
      return begun;
    }
    if (asked.method == "DELETE") return fakes::ScriptedAnswer(204);
    if (asked.method == "GET")
      return fakes::ScriptedAnswer(
          204, "", {{"Range", "0-" + std::to_string(stored.empty() ? 0 : stored.size() - 1)}});
    if (body.size() > largest_body)
      return fakes::ScriptedAnswer(413, "<html><title>413 Request Entity Too Large</title></html>");
    if (asked.method == "PATCH") {
      if (!knows_patch) return fakes::ScriptedAnswer(405);
      if (refuse_chunks_above_with_416 > 0 &&
          body.size() > static_cast<std::size_t>(refuse_chunks_above_with_416))
        return fakes::ScriptedAnswer(416, "chunk too large");
      const auto range =
          std::to_string(stored.size()) + "-" + std::to_string(stored.size() + body.size() - 1);
      EXPECT_EQ(asked.headers.get("Content-Range"), range);
      stored += body;
      const auto said =
          stuck_range.empty() ? "0-" + std::to_string(stored.size() - 1) : stuck_range;
      return fakes::ScriptedAnswer(
          stuck_range.empty() ? 202 : 201, "",
          {{"Range", said}, {"Location", "/up/1?n=" + std::to_string(stored.size())}});
    }
    if (!body.empty() && !knows_whole) return fakes::ScriptedAnswer(405);
    stored += body;
    return fakes::ScriptedAnswer(201);
  }
};

Result<PushResult> push(Scripted& world, const layer::Blob& blob, Access access = {}) {
  return run_task(world.client->ensure_blob(kShop, blob, {}, std::move(access)));
}

std::vector<std::string> methods(const Scripted& world) {
  std::vector<std::string> list;
  for (const auto& request : world.http.seen()) list.push_back(request.method);
  return list;
}

TEST(ChunkedUpload, IsWhatTheAccessAsksFor) {
  Scripted world;
  SmallDoor door;
  world.http.otherwise(std::ref(door));
  Access access;
  access.chunk_bytes = 4;

  const auto pushed = push(world, blob_of("0123456789"), access);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(door.stored, "0123456789");
  EXPECT_THAT(methods(world), ElementsAre("HEAD", "POST", "PATCH", "PATCH", "PATCH", "PUT"));
  EXPECT_EQ(world.lines().back(),
            "PUT https://r.test/up/1?n=10&digest=sha256%3A" + oci::Digest::of("0123456789").hex());
}

TEST(ChunkedUpload, ChunksAreAtLeastWhatTheRegistryDemands) {
  Scripted world;
  SmallDoor door;
  door.min_length = "6";
  world.http.otherwise(std::ref(door));
  Access access;
  access.chunk_bytes = 4;

  ASSERT_TRUE(push(world, blob_of("0123456789"), access));

  EXPECT_EQ(door.stored, "0123456789");
  EXPECT_EQ(world.http.seen()[2].headers.get("Content-Range"), "0-5");
  EXPECT_EQ(world.http.seen()[3].headers.get("Content-Range"), "6-9");
}

TEST(ChunkedUpload, ASmallestChunkAloneIsNoReasonForChunks) {
  Scripted world;
  SmallDoor door;
  door.min_length = "6";
  world.http.otherwise(std::ref(door));

  ASSERT_TRUE(push(world, blob_of("0123456789")));

  EXPECT_THAT(methods(world), ElementsAre("HEAD", "POST", "PUT"));
}

TEST(ChunkedUpload, FollowsABodyThatWasTooLargeAndIsRemembered) {
  Scripted world;
  SmallDoor door;
  door.largest_body = kMiB;
  world.http.otherwise(std::ref(door));
  const auto bytes = std::string(2 * kMiB, 'a');

  const auto pushed = push(world, blob_of(bytes));
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_TRUE(door.stored == bytes);
  EXPECT_TRUE(world.waits.empty());
  EXPECT_THAT(methods(world),
              ElementsAre("HEAD", "POST", "PUT", "GET", "PATCH", "PATCH", "PATCH", "PUT"));

  door.stored.clear();
  const auto before = world.http.seen().size();
  ASSERT_TRUE(push(world, blob_of(std::string(kMiB + 1, 'b'))));
  EXPECT_EQ(world.http.seen()[before + 2].method, "PATCH");
}

TEST(ChunkedUpload, GivesUpWhereEvenSmallBodiesAreTooLarge) {
  Scripted world;
  SmallDoor door;
  door.largest_body = 1000;
  world.http.otherwise(std::ref(door));

  const auto pushed = push(world, blob_of(std::string(2 * kMiB, 'a')));

  ASSERT_TRUE(pushed.has_error());
  EXPECT_EQ(pushed.error().code, Errc::kInvalid);
  EXPECT_THAT(pushed.error().message, HasSubstr("413 (too large): 413 Request Entity Too Large; a "
                                                "proxy before it may limit"));
  EXPECT_EQ(methods(world).back(), "DELETE");
}

TEST(ChunkedUpload, ARangeThatStaysBehindIsNotBelieved) {
  Scripted world;
  SmallDoor door;
  door.stuck_range = "0-3";
  world.http.otherwise(std::ref(door));
  Access access;
  access.chunk_bytes = 4;

  ASSERT_TRUE(push(world, blob_of("0123456789"), access));

  EXPECT_EQ(door.stored, "0123456789");
}

TEST(ChunkedUpload, WhereThePlaceWasRightAndTheChunkRefusedAllGoesAtOnce) {
  Scripted world;
  SmallDoor door;
  door.refuse_chunks_above_with_416 = 2;
  world.http.otherwise(std::ref(door));
  Access access;
  access.chunk_bytes = 4;

  const auto pushed = push(world, blob_of("0123456789"), access);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(door.stored, "0123456789");
  EXPECT_THAT(methods(world), ElementsAre("HEAD", "POST", "PATCH", "GET", "PUT"));
}

TEST(ChunkedUpload, ARegistryThatKnowsOneWayOnlyGetsIt) {
  for (const bool patch : {true, false}) {
    Scripted world;
    SmallDoor door;
    door.knows_patch = patch;
    door.knows_whole = !patch;
    world.http.otherwise(std::ref(door));
    Access access;
    if (!patch) access.chunk_bytes = 4;

    const auto pushed = push(world, blob_of("0123456789"), access);

    ASSERT_TRUE(pushed) << pushed.error().message;
    EXPECT_EQ(door.stored, "0123456789");
  }
}

TEST(ChunkedUpload, AfterACutItGoesOnInTheMiddleOfAChunk) {
  Scripted world;
  SmallDoor door;
  bool cut = false;
  world.http.otherwise([&](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.method == "PATCH" && !door.stored.empty() && !std::exchange(cut, true)) {
      door.stored += fakes::body_text(asked).substr(0, 2);
      return Error(Errc::kUnavailable, "connection was cut");
    }
    return door(asked);
  });
  Access access;
  access.chunk_bytes = 4;

  const auto pushed = push(world, blob_of("0123456789"), access);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(door.stored, "0123456789");
}

TEST(ChunkedUpload, EachChunkGoesWithATokenThatIsGood) {
  Scripted world;
  SmallDoor door;
  std::string good = "one";
  std::vector<std::string> used;
  world.http.otherwise([&](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.url.host() == "auth.test")
      return fakes::ScriptedAnswer(200, R"({"token":")" + good + "\"}");
    if (asked.headers.get("Authorization") != "Bearer " + good)
      return fakes::ScriptedAnswer(401, "", {{"WWW-Authenticate", kBearer}});
    if (asked.method == "PATCH") used.push_back(std::exchange(good, good + "+"));
    return door(asked);
  });
  Access access;
  access.chunk_bytes = 4;

  const auto pushed = push(world, blob_of("0123456789"), access);

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(door.stored, "0123456789");
  EXPECT_THAT(used, ElementsAre("one", "one+", "one++"));
}

TEST(Upload, ThatGetsOnAfterEachCutGoesOn) {
  Scripted world;
  SmallDoor door;
  world.http.otherwise([&](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    const auto body = fakes::body_text(asked);
    if (asked.method != "PUT" || body.size() <= kMiB) return door(asked);
    door.stored += body.substr(0, kMiB);
    return Error(Errc::kUnavailable, "connection was cut");
  });
  const auto bytes = std::string(10 * kMiB, 'a');

  const auto pushed = push(world, blob_of(bytes));

  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_TRUE(door.stored == bytes);
  const auto list = methods(world);
  EXPECT_EQ(std::count(list.begin(), list.end(), "POST"), 1);
}

/// Notes down how far uploads got.
class Progress final : public Listener {
 public:
  void upload(const oci::Repository& repository, const oci::Digest&, std::uint64_t sent,
              std::uint64_t total) override {
    EXPECT_EQ(repository, kShop);
    seen.emplace_back(sent, total);
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
};

TEST(Upload, TellsAboutOnceAMegabyteHowFarItGot) {
  Scripted world;
  SmallDoor door;
  world.http.otherwise(std::ref(door));
  const auto progress = std::make_shared<Progress>();
  Access access;
  access.listener = progress;
  const auto bytes = std::string(2 * kMiB + 5, 'a');

  ASSERT_TRUE(push(world, blob_of(bytes), access));

  ASSERT_GE(progress->seen.size(), 2u);
  EXPECT_LE(progress->seen.size(), 6u);
  EXPECT_EQ(progress->seen.back(), std::pair(bytes.size(), bytes.size()));
}

}  // namespace
}  // namespace kiln::registry
