#pragma once
#include <cstdint>
#include <optional>

#include "controller/obs/metrics.h"

namespace kiln::obs {

/// What the kernel knows of this process. Source: proc(5), /proc/self/stat.
struct ProcessStats {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double start_time_seconds = 0;  ///< Unix time.
};

/// Nullopt where there is no /proc. Threads: any. Reads some small files, which do not block.
std::optional<ProcessStats> read_process_stats();

/// Copies them into the metrics called process_….
void refresh_process_metrics(Metrics& metrics);

}  // namespace kiln::obs
