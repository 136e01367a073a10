#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "controller/obs/metrics.h"
#include "core/registry/listener.h"

namespace kiln::imagebuild {

/// What registries said to one pass besides their answers: warnings, each once, which become
/// Events; and how many pulls Docker Hub still allows, which becomes a metric (other registries'
/// names come from users and are no labels).
class RegistryNotes final : public registry::Listener {
 public:
  /// `metrics` may be null. Lifetime: it is there as long.
  explicit RegistryNotes(obs::Metrics* metrics) : metrics_(metrics) {}

  const std::vector<std::string>& warnings() const { return warnings_; }

  void rate_limit(const std::string& registry,
                  const registry::protocol::RateLimit& limit) override {
    if (!metrics_ || registry != "index.docker.io") return;
    metrics_->hub_pulls_left.set({}, static_cast<double>(limit.remaining));
    metrics_->hub_pulls_allowed.set({}, static_cast<double>(limit.limit));
  }
  void warning(const std::string& registry, const std::string& words) override {
    constexpr std::size_t kMost = 8;  // They become Events.
    auto text = registry + " says: " + words;
    if (warnings_.size() < kMost &&
        std::find(warnings_.begin(), warnings_.end(), text) == warnings_.end())
      warnings_.push_back(std::move(text));
  }

 private:
  obs::Metrics* metrics_;
  std::vector<std::string> warnings_;
};

}  // namespace kiln::imagebuild
