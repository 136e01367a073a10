#include "controller/obs/process_stats.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>

#include "core/base/file.h"

namespace kiln::obs {
namespace {

TEST(ProcessStats, AreThoseOfThisProcess) {
  const auto stats = read_process_stats();
  ASSERT_TRUE(stats.has_value());

  EXPECT_GT(stats->resident_bytes, 1'000'000U);
  EXPECT_GE(stats->virtual_bytes, stats->resident_bytes);
  EXPECT_GE(stats->open_fds, 3U);
  EXPECT_GT(stats->max_fds, stats->open_fds);
  const auto now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_NEAR(stats->start_time_seconds, now, 600);
}

TEST(ProcessStats, CountADescriptorMoreForAFileMore) {
  const auto before = read_process_stats()->open_fds;
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(read_process_stats()->open_fds, before + 1);
}

TEST(ProcessStats, ReachTheMetrics) {
  Metrics metrics;
  refresh_process_metrics(metrics);
  EXPECT_GT(metrics.resident.value(), 1e6);
  EXPECT_GE(metrics.open_fds.value(), 3);
}

}  // namespace
}  // namespace kiln::obs
