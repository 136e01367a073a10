#pragma once
#include <string>

#include "controller/imagebuild/cluster_view.h"
#include "controller/obs/metrics.h"
#include "core/base/log.h"
#include "core/build/base_listener.h"

namespace kiln::imagebuild {

/// What one poll finds out about an image is news for all who are built on it or copy from it: they
/// are started at once, behind those whose users wait. Lifetime: `view` and `metrics` outlive it.
class BaseStarter final : public build::BaseListener {
 public:
  BaseStarter(ClusterView& view, obs::Metrics& metrics) : view_(view), metrics_(metrics) {}

  void asked(const oci::Reference&) override { metrics_.base_polls.add(); }
  void moved(const oci::Reference& reference) override {
    const auto started = view_.start_users_of_image(reference.repository(), reference.tag(), {},
                                                    runtime::Priority::kNormal);
    log::info("an image that is built on or copied from was changed",
              {{"image", reference.str()}, {"started", std::to_string(started)}});
  }

 private:
  ClusterView& view_;
  obs::Metrics& metrics_;
};

}  // namespace kiln::imagebuild
