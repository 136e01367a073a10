// Downloads that are cut: they go on where they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using fakes::StreamEnd;
using ::testing::HasSubstr;
using testing::run_task;

const std::string kHello = "hello world";

Result<std::string> fetch(Scripted& world, const std::string& bytes = kHello, Access access = {}) {
  const oci::Descriptor blob("application/octet-stream", oci::Digest::of(bytes), bytes.size());
  StringSink sink;
  auto fetched = run_task(world.client->fetch_blob_into(kShop, blob, std::move(access), sink));
  if (!fetched) return fetched.error();
  return sink.take();
}

std::string_view range(const Scripted& world, std::size_t request) {
  return world.http.seen().at(request).headers.get("Range");
}

TEST(Download, AfterACutOnlyTheRestIsAskedFor) {
  Scripted world;
  world.http.answer_stream(200, {"hello"}, StreamEnd::kCut);
  world.http.answer_stream(206, {" world"}, StreamEnd::kComplete,
                           {{"Content-Range", "bytes 5-10/11"}});

  const auto fetched = fetch(world);

  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(*fetched, kHello);
  EXPECT_EQ(range(world, 0), "");
  EXPECT_EQ(range(world, 1), "bytes=5-");
  EXPECT_EQ(world.waits.size(), 1u);
}

TEST(Download, WhoSendsAllAgainIsUnderstood) {
  Scripted world;
  world.http.answer_stream(200, {"hello"}, StreamEnd::kCut);
  world.http.answer_stream(200, {"hel", "lo world"});
  const auto fetched = fetch(world);
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(*fetched, kHello);
}

TEST(Download, WhoSendsNoPartsOrTheWrongOneIsAskedForAll) {
  const auto wrong = fakes::HeaderList{{"Content-Range", "bytes 0-5/11"}};
  for (const bool refuses : {true, false}) {
    Scripted world;
    world.http.answer_stream(200, {"hello"}, StreamEnd::kCut);
    if (refuses)
      world.http.answer(416);
    else
      world.http.answer_stream(206, {"hello "}, StreamEnd::kComplete, wrong);
    world.http.answer_stream(200, {kHello});
    const auto fetched = fetch(world);
    ASSERT_TRUE(fetched) << fetched.error().message;
    EXPECT_EQ(*fetched, kHello);
    EXPECT_EQ(range(world, 2), "");
  }
}

TEST(Download, OtherBytesAfterACutAreFoundOut) {
  Scripted world;
  world.http.answer_stream(200, {"hello"}, StreamEnd::kCut);
  world.http.answer_stream(206, {" wor1d"}, StreamEnd::kComplete,
                           {{"Content-Range", "bytes 5-10/11"}});
  EXPECT_EQ(fetch(world).error().code, Errc::kCorrupt);
}

TEST(Download, GivesUpAfterThreeTriesWithoutGettingOn) {
  Scripted world;
  world.http.otherwise([](const http::Request&) -> Result<fakes::ScriptedAnswer> {
    return Error(Errc::kUnavailable, "connection was cut");
  });
  const auto fetched = fetch(world);
  EXPECT_EQ(fetched.error().code, Errc::kUnavailable);
  EXPECT_EQ(world.http.seen().size(), 3u);
}

TEST(Download, AsLongAsItGetsOnItGoesOn) {
  const std::string bytes(5 * 1024 * 1024, 'x');
  Scripted world;
  std::size_t at = 0;
  world.http.otherwise([&](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    EXPECT_EQ(asked.headers.get("Range"), at == 0 ? "" : "bytes=" + std::to_string(at) + "-");
    const auto part = std::min<std::size_t>(bytes.size() - at, 512 * 1024);
    fakes::ScriptedAnswer answer(at == 0 ? 200 : 206, bytes.substr(at, part));
    answer.headers.set("Content-Range", "bytes " + std::to_string(at) + "-" +
                                            std::to_string(bytes.size() - 1) + "/*");
    at += part;
    answer.end = at == bytes.size() ? StreamEnd::kComplete : StreamEnd::kCut;
    return answer;
  });
  const auto fetched = fetch(world, bytes);
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_TRUE(*fetched == bytes);
}

TEST(Download, WithOneTryThereIsOne) {
  Scripted world;
  world.http.answer(503);
  Access access;
  access.one_try = true;
  const auto fetched = fetch(world, kHello, access);
  EXPECT_EQ(fetched.error().code, Errc::kUnavailable);
  EXPECT_EQ(world.http.seen().size(), 1u);
}

TEST(Download, StopsAtTheSizeHoweverMuchComes) {
  Scripted world;
  world.http.answer_stream(200, {kHello, std::string(1 << 20, 'x'), std::string(1 << 20, 'x')});
  const auto fetched = fetch(world);
  EXPECT_EQ(fetched.error().code, Errc::kCorrupt);
  EXPECT_THAT(fetched.error().message, HasSubstr("larger than the 11 bytes it should have"));
  EXPECT_EQ(world.http.seen().size(), 1u);
}

}  // namespace
}  // namespace kiln::registry
