#include "controller/obs/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace kiln::obs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSubsetOf;

/// As in docs/operations.md, whose readers take < for the beginning of a tag.
std::string table_row(const Declaration& metric) {
  std::string labels;
  for (const auto& label : metric.labels) labels += (labels.empty() ? "" : ", ") + label;
  return "| `" + metric.name + "` | " + metric.type + " | " + labels + " | " +
         std::regex_replace(metric.help, std::regex("<"), "&lt;") + " |";
}

std::set<std::string> rows_of_the_page() {
  std::ifstream page(KILN_OPERATIONS_PAGE);
  std::set<std::string> rows;
  for (std::string line; std::getline(page, line);)
    if (line.find("| counter |") != line.npos || line.find("| gauge |") != line.npos ||
        line.find("| histogram |") != line.npos)
      rows.insert(line);
  return rows;
}

TEST(Metrics, AreThoseOfTheOperationsPageWithTypeLabelsAndHelp) {
  const Metrics metrics;
  std::set<std::string> rows;
  for (const auto& metric : metrics.declarations()) rows.insert(table_row(metric));
  EXPECT_EQ(rows_of_the_page(), rows);
}

TEST(Metrics, HaveTheNamesThatDashboardsForControllersLookFor) {
  const Metrics metrics;
  std::set<std::string> names;
  for (const auto& metric : metrics.declarations()) names.insert(metric.name);
  const std::set<std::string> expected = {
      "controller_runtime_reconcile_total",
      "controller_runtime_reconcile_errors_total",
      "controller_runtime_reconcile_time_seconds",
      "controller_runtime_active_workers",
      "controller_runtime_max_concurrent_reconciles",
      "workqueue_depth",
      "workqueue_adds_total",
      "workqueue_queue_duration_seconds",
      "workqueue_work_duration_seconds",
      "workqueue_unfinished_work_seconds",
      "workqueue_longest_running_processor_seconds",
      "workqueue_retries_total",
      "rest_client_requests_total",
      "leader_election_master_status",
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "process_open_fds",
      "process_start_time_seconds",
  };
  EXPECT_THAT(expected, IsSubsetOf(names));
}

TEST(Metrics, AreNamedByTheRules) {
  const Metrics metrics;
  for (const auto& metric : metrics.declarations()) {
    EXPECT_EQ(metric.type == "counter", metric.name.ends_with("_total")) << metric.name;
    EXPECT_TRUE(metric.type != "histogram" || metric.name.ends_with("_seconds")) << metric.name;
    EXPECT_TRUE(metric.help.ends_with(".")) << metric.name;
    EXPECT_EQ(metric.help.find('|'), metric.help.npos) << metric.name << ": it is a table's cell";
  }
}

/// Names of objects, namespaces, registries and repositories come from users: one user could make
/// millions of time series.
TEST(Metrics, HaveNoLabelForWhatUsersName) {
  const Metrics metrics;
  const std::set<std::string> allowed = {"code",   "controller", "host",   "kind",   "method",
                                         "name",   "operation",  "ready",  "reason", "resource",
                                         "result", "stage",      "version"};
  for (const auto& metric : metrics.declarations())
    for (const auto& label : metric.labels) EXPECT_TRUE(allowed.contains(label)) << label;
}

TEST(Metrics, ThatCanBeExpectedAreThereBeforeAnythingHappens) {
  const Metrics metrics;
  const auto text = metrics.text();
  EXPECT_THAT(text,
              HasSubstr("kiln_builds_total{reason=\"ContentChanged\",result=\"failed\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("controller_runtime_reconcile_total{controller=\"imagebuild\","
                              "result=\"error\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("kiln_imagebuilds{ready=\"false\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("kiln_build_info{version=\"" KILN_VERSION "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("workqueue_depth{name=\"imagebuild\"} 0\n"));
}

}  // namespace
}  // namespace kiln::obs
