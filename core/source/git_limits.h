#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace kiln::source {

/// How much a git repository, and the git programs that read it, may take.
struct GitLimits {
  std::uint64_t fetch_bytes = std::uint64_t{4} << 30;    ///< Of one pack, or LFS file, received.
  std::uint64_t content_bytes = std::uint64_t{8} << 30;  ///< Of all files of one content entry.
  std::size_t paths = 500'000;                           ///< Of one content entry.
  std::size_t submodules = 64;                           ///< Of one content entry, at all depths.
  std::size_t submodule_depth = 8;
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;  ///< Address space of each git process.
  std::uint64_t cpu_seconds = 600;                      ///< Of each git process.
  std::uint64_t cache_bytes = std::uint64_t{10} << 30;  ///< Of all repositories that are kept.
  std::chrono::milliseconds resolve{60'000};            ///< For asking a server what its refs are.
  std::chrono::milliseconds fetch{600'000};             ///< For one fetch.
  std::chrono::milliseconds idle{30'000};               ///< Without a byte from the server.
};

}  // namespace kiln::source
