#pragma once
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "controller/rollout/workload.h"
#include "controller/runtime/key_queue.h"
#include "controller/runtime/store.h"
#include "controller/runtime/watch_handler.h"

namespace kiln::rollout {

/// The workloads with the annotation, and which ImageBuilds they name. Watches metadata alone, and
/// keeps nothing of the others. Turns into keys of the work queue: another pod template, another
/// annotation, other news of an ImageBuild. Changes of a workload's status start nothing.
/// Threads: one. Lifetime: `queue` outlives it.
class WorkloadView {
 public:
  explicit WorkloadView(runtime::KeySink& queue);

  /// Hears of the workloads of one type. Lifetime: as this object.
  runtime::WatchHandler& handler(const kube::ResourceType& type);

  /// By Workload::work_key(). Null when there is none, or none with the annotation.
  std::shared_ptr<const Workload> find(const kube::ObjectKey& work_key) const {
    return store_.find(work_key);
  }
  /// Something is other with this ImageBuild: those that name it are looked at.
  void image_build_changed(const kube::ObjectKey& image_build);
  std::size_t size() const { return store_.size(); }

 private:
  class TypeWatch;
  void applied(const kube::ResourceType& type, const kube::Object& object, runtime::Origin origin);
  void deleted(const kube::ResourceType& type, const kube::ObjectKey& key);
  std::vector<kube::ObjectKey> known(const kube::ResourceType& type) const;

  runtime::KeySink& queue_;
  runtime::Store<Workload> store_;
  std::list<std::unique_ptr<runtime::WatchHandler>> handlers_;
};

}  // namespace kiln::rollout
