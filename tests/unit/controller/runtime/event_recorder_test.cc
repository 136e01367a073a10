#include "controller/runtime/event_recorder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::Background;
using kiln::testing::run_until;
using kube::kEvents;

class EventRecorderTest : public ::testing::Test {
 protected:
  EventRecorderTest() {
    site_.api_version = "kiln.build/v1alpha1";
    site_.kind = "ImageBuild";
    site_.namespace_ = "web";
    site_.name = "site";
    site_.uid = "u-1";
    options_.now = [this] { return clock_.now() + std::chrono::nanoseconds(250'000'123); };
  }
  EventRecorder& recorder() {
    if (!recorder_)
      recorder_ = std::make_unique<EventRecorder>(kube_, io_.get_executor(), clock_, options_);
    return *recorder_;
  }
  void record(const std::string& note, EventType type = EventType::kNormal) {
    recorder().record(site_, type, "Succeeded", "Building", note);
  }
  void flush() {
    Background run(io_, recorder().flush());
    ASSERT_TRUE(run.wait());
  }
  Json sent(std::size_t number, std::string_view verb = "create") {
    return *parse_json(kube_.calls_of(verb).at(number).body);
  }

  boost::asio::io_context io_;
  fakes::ManualClock clock_;
  fakes::FakeKube kube_;
  EventRecorder::Options options_;
  ObjectReference site_;
  std::unique_ptr<EventRecorder> recorder_;
};

TEST_F(EventRecorderTest, SendsWhatTheApiAsksFor) {
  record("pushed", EventType::kWarning);
  flush();
  const auto event = sent(0);
  EXPECT_EQ(event["apiVersion"], "events.k8s.io/v1");
  EXPECT_EQ(event["metadata"]["namespace"], "web");
  EXPECT_EQ(event["metadata"]["name"].get<std::string>().substr(0, 5), "site.");
  EXPECT_EQ(event["eventTime"], "2026-01-01T00:00:00.250000Z");
  EXPECT_EQ(event["reportingController"], "kiln.build/controller");
  EXPECT_NE(event["reportingInstance"], "");
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["reason"], "Succeeded");
  EXPECT_EQ(event["action"], "Building");
  EXPECT_EQ(event["note"], "pushed");
  EXPECT_EQ(event["regarding"]["kind"], "ImageBuild");
  EXPECT_EQ(event["regarding"]["uid"], "u-1");
  EXPECT_FALSE(event.contains("series"));
}

TEST_F(EventRecorderTest, RaisesTheCountOfARepeatedOne) {
  record("pushed");
  flush();
  clock_.advance(31s);
  record("pushed");
  flush();
  EXPECT_EQ(kube_.count(kEvents), 1U);
  const auto patch = sent(0, "patch");
  EXPECT_EQ(patch["series"]["count"], 2);
  EXPECT_EQ(patch["series"]["lastObservedTime"], "2026-01-01T00:00:31.250000Z");
}

TEST_F(EventRecorderTest, GivesNamesThatSortByTimeAndAreUniqueAlsoAtOneMoment) {
  for (const auto* note : {"first", "second", "third"}) record(note);
  clock_.advance(1s);
  record("fourth");
  flush();

  std::vector<std::string> names;
  for (std::size_t i = 0; i < 4; ++i) names.push_back(sent(i)["metadata"]["name"]);
  EXPECT_EQ(names[0], "site.18867251fce0b2fb");
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end(), std::less_equal<>())) << names[1];
}

TEST_F(EventRecorderTest, WritesABusySeriesOnceInAWhile) {
  record("pushed");
  flush();
  for (int i = 0; i < 100; ++i) {
    clock_.advance(1s);
    record("pushed");
    flush();
  }
  EXPECT_EQ(kube_.calls_of("create").size(), 1U);
  EXPECT_EQ(kube_.calls_of("patch").size(), 3U);
}

TEST_F(EventRecorderTest, MakesANewOneAfterALongSilence) {
  record("pushed");
  flush();
  clock_.advance(10min);
  record("pushed");
  flush();
  EXPECT_EQ(kube_.count(kEvents), 2U);
}

TEST_F(EventRecorderTest, CountsRepeatsThatCameBeforeTheFirstWasSent) {
  for (int i = 0; i < 3; ++i) record("pushed");
  flush();
  EXPECT_EQ(kube_.calls().size(), 1U);
  EXPECT_EQ(sent(0)["series"]["count"], 3);
}

TEST_F(EventRecorderTest, LimitsTheEventsOfOneObject) {
  for (int i = 0; i < 100; ++i) record("note " + std::to_string(i));
  flush();
  EXPECT_EQ(kube_.count(kEvents), 25U);
  EXPECT_EQ(recorder().dropped(), 75U);
  site_.uid = "u-2";
  record("another object has its own allowance");
  clock_.advance(5min);
  site_.uid = "u-1";
  record("and some comes back");
  flush();
  EXPECT_EQ(kube_.count(kEvents), 27U);
}

TEST_F(EventRecorderTest, BoundsItsQueueAndItsMemory) {
  options_.queue_limit = 10;
  options_.memory_limit = 20;
  for (int i = 0; i < 100; ++i) {
    site_.uid = "u-" + std::to_string(i);
    record("x");
  }
  EXPECT_EQ(recorder().queued(), 10U);
  EXPECT_EQ(recorder().dropped(), 90U);
}

TEST_F(EventRecorderTest, CutsLongNotesBetweenCharacters) {
  std::string note;
  while (note.size() < 2000) note += "ü";
  record(note);
  flush();
  const auto text = sent(0)["note"].get<std::string>();
  EXPECT_LE(text.size(), 1024U);
  EXPECT_TRUE(text.ends_with("ü…"));
}

TEST_F(EventRecorderTest, TakesAnEventThatIsThereAlreadyForSent) {
  kube_.fail_next("create", Error(Errc::kConflict, "already exists"));
  record("pushed");
  flush();
  EXPECT_EQ(recorder().dropped(), 0U);
}

TEST_F(EventRecorderTest, SendsAgainUnderTheSameNameWhatWasNotAnswered) {
  options_.resend = 0s;
  kube_.fail_next("create", Error(Errc::kUnavailable, "closed the connection without an answer"));
  record("pushed");
  Background run(io_, recorder().run());
  EXPECT_TRUE(run_until(io_, [&] { return kube_.count(kEvents) == 1; }));
  EXPECT_EQ(sent(1), sent(0));
  EXPECT_EQ(recorder().dropped(), 0U);
  run.cancel();
}

TEST_F(EventRecorderTest, TellsTheCountToAnEventThatIsThereAlready) {
  kube_.fail_next("create", Error(Errc::kTimeout, "no answer"));
  record("pushed");
  flush();
  kube_.put(kEvents, dump_json(sent(0)));  // It took place, only the answer did not come.
  clock_.advance(5s);
  record("pushed");
  flush();
  EXPECT_EQ(kube_.count(kEvents), 1U);
  EXPECT_EQ(sent(0, "patch")["series"]["count"], 2);
  EXPECT_EQ(recorder().dropped(), 0U);
}

TEST_F(EventRecorderTest, GivesUpWhatIsNeverAnswered) {
  kube_.fail_when([](const fakes::KubeCall&) { return Error(Errc::kUnavailable, "down"); });
  record("pushed");
  flush();
  clock_.advance(7min);
  Background run(io_, recorder().run());
  EXPECT_TRUE(run_until(io_, [&] { return recorder().dropped() == 1; }));
  EXPECT_EQ(kube_.calls_of("create").size(), 1U);
  run.cancel();
}

TEST_F(EventRecorderTest, DropsWhatCannotBeSent) {
  kube_.fail_next("create", Error(Errc::kDenied, "forbidden"));
  record("pushed");
  flush();
  EXPECT_EQ(recorder().dropped(), 1U);
  record("pushed");
  flush();
  EXPECT_EQ(kube_.count(kEvents), 1U) << "the next one is a first one again";
}

TEST_F(EventRecorderTest, NamesEventsOfLongNamesValidly) {
  site_.name = std::string(252, 'a') + "b";
  record("pushed");
  flush();
  EXPECT_EQ(sent(0)["metadata"]["name"].get<std::string>().size(), 253U);
}

TEST_F(EventRecorderTest, SendsInTheBackgroundUntilItIsCancelled) {
  Background run(io_, recorder().run());
  io_.poll();
  record("pushed");
  EXPECT_TRUE(run_until(io_, [&] { return kube_.count(kEvents) == 1; }));
  run.cancel();
  EXPECT_FALSE(run.threw());
}

}  // namespace
}  // namespace kiln::runtime
