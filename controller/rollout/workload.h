#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "controller/kube/resource_type.h"
#include "controller/runtime/event_recorder.h"

namespace kiln::rollout {

/// The kinds whose pod templates get images.
inline constexpr std::array<kube::ResourceType, 4> kWorkloadTypes{{
    {"apps", "v1", "deployments", "Deployment", true},
    {"apps", "v1", "statefulsets", "StatefulSet", true},
    {"apps", "v1", "daemonsets", "DaemonSet", true},
    {"batch", "v1", "cronjobs", "CronJob", true},
}};

/// What is kept of a workload with the annotation.
struct Workload {
  kube::ResourceType type;
  runtime::ObjectReference reference;
  std::int64_t generation = 0;
  bool deleting = false;
  std::string image_from;  ///< The annotation as it stands there.

  Workload(const kube::ResourceType& t, const kube::ObjectMeta& meta);
  kube::ObjectKey key() const { return kube::ObjectKey(reference.namespace_, reference.name); }
  /// Of the work queue: workloads of two kinds may have one name. "web", "Deployment/site"
  kube::ObjectKey work_key() const { return work_key(type, key()); }
  static kube::ObjectKey work_key(const kube::ResourceType& type, const kube::ObjectKey& key);
};

}  // namespace kiln::rollout
