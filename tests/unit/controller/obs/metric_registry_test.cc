#include "controller/obs/metric_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace kiln::obs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricRegistry, WritesHelpTypeAndValuesInOrder) {
  MetricRegistry registry;
  Gauge second(registry, "b_bytes", "The second.");
  Counter first(registry, "a_total", "The first.", {"kind"});
  first.add({"y"}, 2);
  first.add({"x"});
  second.set({}, 1.5);

  EXPECT_EQ(registry.text(),
            "# HELP a_total The first.\n"
            "# TYPE a_total counter\n"
            "a_total{kind=\"x\"} 1\n"
            "a_total{kind=\"y\"} 2\n"
            "# HELP b_bytes The second.\n"
            "# TYPE b_bytes gauge\n"
            "b_bytes 1.5\n");
}

TEST(MetricRegistry, WritesHistogramsWithBoundsSumAndCount) {
  MetricRegistry registry;
  Histogram times(registry, "t_seconds", "Times.", {1, 10});
  times.observe({}, 0.5);
  times.observe({}, 4);
  times.observe({}, 100);

  EXPECT_THAT(registry.text(), HasSubstr("t_seconds_count 3\n"
                                         "t_seconds_sum 104.5\n"
                                         "t_seconds_bucket{le=\"1\"} 1\n"
                                         "t_seconds_bucket{le=\"10\"} 2\n"
                                         "t_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_EQ(times.count(), 3U);
  EXPECT_EQ(times.sum(), 104.5);
}

TEST(MetricRegistry, EscapesLabelValues) {
  MetricRegistry registry;
  Counter counter(registry, "c_total", "C.", {"l"});
  counter.add({"a\"b\\c\nd"});
  EXPECT_THAT(registry.text(), HasSubstr("c_total{l=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(MetricRegistry, WhatIsKnownElsewhereIsCopiedBeforeEachText) {
  MetricRegistry registry;
  Gauge gauge(registry, "g", "G.");
  int calls = 0;
  registry.add_refresh([&] { gauge.set({}, ++calls); });

  EXPECT_THAT(registry.text(), HasSubstr("g 1\n"));
  EXPECT_THAT(registry.text(), HasSubstr("g 2\n"));
}

TEST(MetricRegistry, RefusesASecondMetricOfOneNameWhateverItsType) {
  MetricRegistry registry;
  Counter counter(registry, "a_total", "A.");
  EXPECT_THROW(Counter(registry, "a_total", "A."), std::logic_error);
  EXPECT_THROW(Gauge(registry, "a_total", "A."), std::logic_error);
}

TEST(MetricRegistry, RefusesNamesThatPrometheusDoesNotAllow) {
  MetricRegistry registry;
  EXPECT_THROW(Counter(registry, "a-total", "A."), std::logic_error);
  EXPECT_THROW(Counter(registry, "b_total", "B.", {"a-label"}), std::logic_error);
  EXPECT_THROW(Counter(registry, "c_total", "C.", {"__reserved"}), std::logic_error);
}

TEST(Counter, RefusesTheWrongNumberOfLabels) {
  MetricRegistry registry;
  Counter counter(registry, "a_total", "A.", {"one"});
  EXPECT_THROW(counter.add({}), std::logic_error);
  EXPECT_THROW(counter.add({"x", "y"}), std::logic_error);
}

TEST(Counter, StartsAtZeroWhereItIsTold) {
  MetricRegistry registry;
  Counter plain(registry, "plain_total", "P.");
  Counter labelled(registry, "labelled_total", "L.", {"l"});
  EXPECT_THAT(registry.text(), HasSubstr("plain_total 0\n"));
  EXPECT_THAT(registry.text(), Not(HasSubstr("labelled_total{")));

  labelled.start({"x"});

  EXPECT_THAT(registry.text(), HasSubstr("labelled_total{l=\"x\"} 0\n"));
}

TEST(Counter, IsRaisedToACountThatIsKeptElsewhereAndNeverFalls) {
  MetricRegistry registry;
  Counter counter(registry, "a_total", "A.");
  counter.raise_to({}, 5);
  EXPECT_EQ(counter.value(), 5);
  counter.raise_to({}, 3);
  EXPECT_EQ(counter.value(), 5);
}

TEST(Values, OfLabelsThatNobodyNamedAreZeroAndStayUnnamed) {
  MetricRegistry registry;
  const Counter counter(registry, "a_total", "A.", {"l"});
  EXPECT_EQ(counter.value({"x"}), 0);
  EXPECT_THAT(registry.text(), Not(HasSubstr("x")));
}

TEST(ExponentialBounds, GrowByTheFactor) {
  EXPECT_THAT(exponential_bounds(1, 10, 3), ElementsAre(1, 10, 100));
}

}  // namespace
}  // namespace kiln::obs
