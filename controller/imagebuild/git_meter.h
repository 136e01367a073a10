#pragma once
#include <chrono>

#include "controller/obs/metrics.h"
#include "core/source/git_client.h"

namespace kiln::imagebuild {

/// Counts what is done with git. Repositories' names come from users and are no labels.
/// Lifetime: `metrics` outlives it.
class GitMeter final : public source::GitObserver {
 public:
  explicit GitMeter(obs::Metrics& metrics) : metrics_(metrics) {}

  void did(Work work, bool well, std::chrono::steady_clock::duration took) override {
    const auto* operation = work == Work::kAsk ? "ask" : "fetch";
    metrics_.git_work.add({operation, well ? "succeeded" : "failed"});
    metrics_.git_time.observe({operation}, std::chrono::duration<double>(took).count());
  }
  void fetched(std::uint64_t bytes) override {
    metrics_.git_fetched_bytes.add({}, static_cast<double>(bytes));
  }

 private:
  obs::Metrics& metrics_;
};

}  // namespace kiln::imagebuild
