#include "controller/obs/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace kiln::obs {
namespace {

/// The fields of /proc/self/stat after the name, which may itself hold blanks and brackets.
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  if (name_end == line.npos) return {};
  std::istringstream words(line.substr(name_end + 1));
  return {std::istream_iterator<std::string>(words), {}};
}

double boot_time_seconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word)
    if (double seconds = 0; word == "btime" && file >> seconds) return seconds;
  return 0;
}

std::uint64_t count_open_fds() {
  std::error_code ignored;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator fd("/proc/self/fd", ignored), end; !ignored && fd != end;
       fd.increment(ignored))
    ++count;
  return count > 0 ? count - 1 : 0;  // One of them is the listing's own.
}

}  // namespace

std::optional<ProcessStats> read_process_stats() {
  // proc(5) counts from 1 with pid and name first: utime is 14, stime 15, starttime 22, vsize 23,
  // rss 24.
  constexpr std::size_t kUtime = 14 - 3, kStime = 15 - 3, kStart = 22 - 3, kVsize = 23 - 3,
                        kRss = 24 - 3;
  const auto fields = stat_fields();
  if (fields.size() <= kRss) return std::nullopt;
  const auto number = [&](std::size_t at) {
    return std::strtoull(fields[at].c_str(), nullptr, 10);
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessStats stats;
  stats.cpu_seconds = static_cast<double>(number(kUtime) + number(kStime)) / ticks;
  stats.start_time_seconds = boot_time_seconds() + static_cast<double>(number(kStart)) / ticks;
  stats.virtual_bytes = number(kVsize);
  stats.resident_bytes = number(kRss) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  stats.open_fds = count_open_fds();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = limit.rlim_cur;
  return stats;
}

void refresh_process_metrics(Metrics& metrics) {
  const auto stats = read_process_stats();
  if (!stats) return;
  metrics.cpu.raise_to({}, stats->cpu_seconds);
  metrics.resident.set({}, static_cast<double>(stats->resident_bytes));
  metrics.virtual_memory.set({}, static_cast<double>(stats->virtual_bytes));
  metrics.open_fds.set({}, static_cast<double>(stats->open_fds));
  metrics.max_fds.set({}, static_cast<double>(stats->max_fds));
  metrics.start_time.set({}, stats->start_time_seconds);
}

}  // namespace kiln::obs
