#include "controller/kube/watch_line.h"

#include <gtest/gtest.h>

#include <random>

#include "controller/kube/list_page.h"
#include "core/base/json.h"
#include "tests/support/matchers.h"

namespace kiln::kube {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

std::vector<std::string> drain(LineSplitter& splitter) {
  std::vector<std::string> lines;
  for (;;) {
    auto line = splitter.next();
    if (!line || !*line) return lines;
    lines.push_back(std::move(**line));
  }
}

TEST(LineSplitter, GivesWholeLinesOnly) {
  LineSplitter splitter;
  splitter.feed("one\ntw");
  EXPECT_EQ(drain(splitter), std::vector<std::string>{"one"});
  EXPECT_EQ(splitter.pending_bytes(), 2U);
  splitter.feed("o\r\n\n\nthree\nfo");
  EXPECT_EQ(drain(splitter), (std::vector<std::string>{"two", "three"}));
  splitter.feed("ur");
  EXPECT_TRUE(drain(splitter).empty());
  EXPECT_EQ(splitter.pending_bytes(), 4U);
}

TEST(LineSplitter, GivesTheSameLinesHoweverTheBytesArrive) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes;
    std::vector<std::string> expected;
    for (int i = 0; i < 20; ++i) {
      expected.emplace_back(1 + random() % 30, static_cast<char>('a' + i));
      bytes += expected.back() + "\n";
    }
    LineSplitter splitter;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < bytes.size();) {
      const auto count = std::min<std::size_t>(1 + random() % 40, bytes.size() - at);
      splitter.feed(std::string_view(bytes).substr(at, count));
      at += count;
      if (random() % 2 == 0)
        for (auto& line : drain(splitter)) got.push_back(std::move(line));
    }
    for (auto& line : drain(splitter)) got.push_back(std::move(line));
    EXPECT_EQ(got, expected);
  }
}

TEST(LineSplitter, EndsAtALineThatIsTooLong) {
  LineSplitter splitter(8);
  splitter.feed("12345678\n");
  EXPECT_EQ(drain(splitter).size(), 1U);
  splitter.feed("123456789");
  EXPECT_THAT(splitter.next(), FailsWith(Errc::kCorrupt, "longer than 8 bytes"));
  LineSplitter whole(8);
  whole.feed("123456789\n");
  EXPECT_THAT(whole.next(), FailsWith(Errc::kCorrupt, "longer than 8 bytes"));
}

TEST(WatchLine, ReadsAnEvent) {
  const auto event = parse_watch_line(
      R"({"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1",
          "metadata":{"name":"site","namespace":"web","resourceVersion":"7"}}})",
      kConfigMaps);
  EXPECT_EQ(event.type, WatchEventType::kModified);
  ASSERT_TRUE(event.object);
  EXPECT_EQ(event.object->key(), ObjectKey("web", "site"));
  EXPECT_EQ(event.resource_version, "7");
}

constexpr std::string_view kKnownLine =
    R"({"type":"MODIFIED","object":{"apiVersion":"v1","kind":"ConfigMap","data":{"uid":"no"},)"
    R"("metadata":{"name":"site","namespace":"web","resourceVersion":"7","uid":"u-1"}}})";

TEST(WatchLine, LeavesOutWhatIsKnown) {
  std::vector<std::string> asked;
  const auto answer = [&](bool known) {
    return [&asked, known](const ObjectState& state) {
      asked.push_back(state.key.str() + " " + state.uid + " " + state.resource_version);
      return known;
    };
  };
  const auto known = parse_watch_line(kKnownLine, kConfigMaps, answer(true));
  EXPECT_EQ(known.type, WatchEventType::kModified);
  EXPECT_EQ(known.known, ObjectKey("web", "site"));
  EXPECT_FALSE(known.object);
  EXPECT_EQ(known.resource_version, "7");

  const auto news = parse_watch_line(kKnownLine, kConfigMaps, answer(false));
  EXPECT_FALSE(news.known);
  ASSERT_TRUE(news.object);
  EXPECT_EQ(news.object->key(), ObjectKey("web", "site"));
  EXPECT_EQ(asked, (std::vector<std::string>{"web/site u-1 7", "web/site u-1 7"}));
}

TEST(WatchLine, ReadsWhateverDoesNotSayPlainlyWhatItIs) {
  const auto known = [](const ObjectState&) { return true; };
  const auto line = std::string(kKnownLine);
  const auto with = [&line](const std::string& what, const std::string& instead) {
    auto changed = line;
    return changed.replace(changed.find(what), what.size(), instead);
  };
  for (const auto& text :
       {with("MODIFIED", "DELETED"), with("\"site\"", R"("si\u0074e")"),
        with(",\"uid\":\"u-1\"", ""), with("\"7\"", "7"), with("\"type\":", "\"type\": ")}) {
    const auto event = parse_watch_line(text, kConfigMaps, known);
    EXPECT_FALSE(event.known) << text;
  }
}

TEST(WatchLine, ReadsMetadataOnlyObjectsOfAnyType) {
  const auto event = parse_watch_line(
      R"({"type":"DELETED","object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",
          "metadata":{"name":"site","resourceVersion":"7"}}})",
      kSecrets);
  EXPECT_EQ(event.type, WatchEventType::kDeleted);
}

TEST(WatchLine, ReadsBookmarks) {
  const auto plain = parse_watch_line(
      R"({"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"9"}}})",
      kConfigMaps);
  EXPECT_EQ(plain.type, WatchEventType::kBookmark);
  EXPECT_EQ(plain.resource_version, "9");
  EXPECT_FALSE(plain.initial_events_end);
  const auto last = parse_watch_line(
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9",
          "annotations":{"k8s.io/initial-events-end":"true"}}}})",
      kConfigMaps);
  EXPECT_TRUE(last.initial_events_end);
}

TEST(WatchLine, ReadsErrors) {
  const auto gone = parse_watch_line(
      R"json({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired",
          "message":"too old resource version: 1 (5)"}})json",
      kConfigMaps);
  EXPECT_EQ(gone.type, WatchEventType::kError);
  EXPECT_EQ(gone.error.code, Errc::kGone);
  EXPECT_EQ(gone.error.message, "too old resource version: 1 (5)");
  const auto unknown = parse_watch_line(R"({"type":"ERROR","object":{}})", kConfigMaps);
  EXPECT_EQ(unknown.error.code, Errc::kUnavailable);
}

struct BadLine {
  std::string name, text, why, resource_version;
};

class WatchLineSkips : public ::testing::TestWithParam<BadLine> {};

TEST_P(WatchLineSkips, WhatItCannotRead) {
  const auto event = parse_watch_line(GetParam().text, kConfigMaps);
  EXPECT_EQ(event.type, WatchEventType::kUndecodable);
  EXPECT_NE(event.error.message.find(GetParam().why), std::string::npos) << event.error.message;
  EXPECT_EQ(event.resource_version, GetParam().resource_version);
}

INSTANTIATE_TEST_SUITE_P(
    Lines, WatchLineSkips,
    ::testing::ValuesIn(std::vector<BadLine>{
        {"NotJson", "<html>", "not valid JSON", ""},
        {"NotAnObject", "[]", "type of the event", ""},
        {"UnknownType", R"({"type":"RENAMED","object":{}})", "type of the event", ""},
        {"NoObject", R"({"type":"ADDED"})", "no object", ""},
        {"NoName", R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"3"}}})",
         "metadata.name", "3"},
        {"AnotherKind",
         R"({"type":"ADDED","object":{"kind":"Secret","metadata":{"name":"a","resourceVersion":"3"}}})",
         "no ConfigMap", "3"},
        {"AnotherVersion",
         R"({"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"a"}}})",
         "apiVersion is not v1", ""},
        {"BookmarkOfNothing", R"({"type":"BOOKMARK","object":{"metadata":{}}})",
         "without resourceVersion", ""},
        {"NumberTooLarge",
         R"({"type":"ADDED","object":{"metadata":{"name":"a","generation":99999999999999999999}}})",
         "generation", ""},
        {"TooDeep", R"({"type":"ADDED","object":)" + std::string(5000, '['), "nested", ""},
    }),
    [](const auto& test) { return test.param.name; });

TEST(ListPage, ReadsItemsAndWhereItStands) {
  const auto list = parse_list(
      R"({"kind":"ConfigMapList","metadata":{"resourceVersion":"9","continue":"next"},
          "items":[{"metadata":{"name":"a","namespace":"web"}},{"metadata":{"name":"b"}}]})",
      kConfigMaps);
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->items.size(), 2U);
  EXPECT_EQ(list->resource_version, "9");
  EXPECT_EQ(list->continue_token, "next");
  EXPECT_EQ(list->undecodable, 0U);
}

constexpr const char* kCompactList =
    R"({"kind":"ConfigMapList","metadata":{"resourceVersion":"9","continue":"next"},"items":[)"
    R"({"metadata":{"name":"a","managedFields":[{"f:data":{}}]},"data":{"b":"]}"}},)"
    R"({"metadata":{"name":1}},{"kind":"Secret","metadata":{"name":"s"}},7]})";

TEST(ListPage, IsReadTheSameHoweverItIsWritten) {
  for (const auto& text : {std::string(kCompactList), parse_json(kCompactList)->dump(2)}) {
    const auto list = parse_list(text, kConfigMaps);
    ASSERT_THAT(list, IsOk()) << text;
    ASSERT_EQ(list->items.size(), 1U) << text;
    EXPECT_EQ(list->items[0].json(), R"({"data":{"b":"]}"},"metadata":{"name":"a"}})");
    EXPECT_EQ(list->resource_version, "9");
    EXPECT_EQ(list->continue_token, "next");
    EXPECT_EQ(list->undecodable, 3U);
  }
}

TEST(ListPage, ThatIsCutShortIsNoList) {
  const std::string_view list = kCompactList;
  for (std::size_t size = 0; size < list.size(); ++size)
    EXPECT_EQ(parse_list(list.substr(0, size), kConfigMaps).error().code, Errc::kCorrupt) << size;
}

TEST(ListPage, TakesNoItemsForAnEmptyList) {
  for (const auto* text : {R"({"metadata":{"resourceVersion":"9"},"items":null})",
                           R"({"metadata":{"resourceVersion":"9"}})",
                           R"({"metadata":{"resourceVersion":"9"},"items":[]})"}) {
    const auto list = parse_list(text, kConfigMaps);
    ASSERT_THAT(list, IsOk()) << text;
    EXPECT_TRUE(list->items.empty());
  }
}

TEST(ListPage, CountsItemsItCannotRead) {
  const auto list = parse_list(
      R"({"metadata":{"resourceVersion":"9"},
          "items":[{"metadata":{"name":1}},7,{"kind":"Secret","metadata":{"name":"s"}},
                   {"metadata":{"name":"b"}}]})",
      kConfigMaps);
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->items.size(), 1U);
  EXPECT_EQ(list->undecodable, 3U);
}

TEST(ListPage, RefusesWhatIsNoList) {
  for (const auto* text : {"", "[]", "{}", "7", R"({"metadata":{},"items":{}})"})
    EXPECT_EQ(parse_list(text, kConfigMaps).error().code, Errc::kCorrupt) << text;
}

}  // namespace
}  // namespace kiln::kube
