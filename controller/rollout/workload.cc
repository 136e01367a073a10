#include "controller/rollout/workload.h"

#include "controller/rollout/annotation.h"

namespace kiln::rollout {

Workload::Workload(const kube::ResourceType& t, const kube::ObjectMeta& meta)
    : type(t),
      reference(t, meta),
      generation(meta.generation),
      deleting(meta.is_deleting()),
      image_from(meta.annotation(kImageFrom)) {}

kube::ObjectKey Workload::work_key(const kube::ResourceType& type, const kube::ObjectKey& key) {
  return kube::ObjectKey(key.namespace_, std::string(type.kind) + "/" + key.name);
}

}  // namespace kiln::rollout
