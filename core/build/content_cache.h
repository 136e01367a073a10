#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/base/shared_answers.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/build/base_cache.h"
#include "core/build/builder.h"
#include "core/build/image_content.h"
#include "core/registry/client.h"
#include "core/source/source.h"

namespace kiln::build {

/// What is kept at most. What is larger alone is not kept.
struct ContentCacheLimits {
  std::size_t contents = 256;             ///< Each is an open file.
  std::size_t paths = 50'000;             ///< Together; about 20 MiB of memory.
  std::uint64_t bytes = 1ULL << 30;       ///< Of files, together, on disk.
  ImageContentLimits image = defaults();  ///< Of one image, kept or not.

  static ImageContentLimits defaults() {
    ImageContentLimits limits;
    limits.download_bytes = limits.content_bytes = 4ULL << 30;
    limits.paths = 500'000;
    return limits;
  }
};

/// Content out of images in registries. What was read is kept by digest, so that layers are not
/// fetched again for an image that has not changed: the paths in memory, the bytes in nameless
/// files. So is, for an hour, what is wrong with an image. What several builds want at the same
/// time is read once; but nobody gets what was read with other credentials. All of it can be had
/// again, so any of it may go: what was used longest ago goes first. Threads: the I/O executor.
class ContentCache {
 public:
  /// Lifetime: all that is referred to outlives it and its tasks.
  ContentCache(BaseCache& bases, registry::Client& registry, WorkPool& pool, const Clock& clock,
               std::string spool_dir, ContentCacheLimits limits = {});

  /// Errors: those of the registry; of ImageContent.
  [[nodiscard]] Task<Result<source::Content>> fetch(ImageContentRequest request);

 private:
  /// Shared with those who use it while the cache drops it.
  using Outcome = std::shared_ptr<const Result<source::Content>>;
  struct Kept {
    Outcome outcome;
    std::chrono::steady_clock::time_point since;
    std::list<std::string>::iterator order;
  };

  Task<Result<Outcome>> read(std::string key, ImageContentRequest request);
  Outcome find(const std::string& key);
  void keep(const std::string& key, Outcome outcome);
  void drop(std::map<std::string, Kept>::iterator kept);

  BaseCache& bases_;
  registry::Client& registry_;
  WorkPool& pool_;
  const Clock& clock_;
  std::string spool_dir_;
  ContentCacheLimits limits_;
  SharedAnswers<Outcome> under_way_;
  std::map<std::string, Kept> kept_;
  std::list<std::string> order_;  ///< Of use; the last one is the latest.
  std::size_t paths_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace kiln::build
