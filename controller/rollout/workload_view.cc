#include "controller/rollout/workload_view.h"

#include <utility>

#include "controller/rollout/annotation.h"

namespace kiln::rollout {
namespace {

using runtime::Origin;
using runtime::Priority;

std::string term(const std::string& space, const std::string& image_build) {
  return space + "/" + image_build;
}

std::vector<std::string> terms_of(const Workload& workload) {
  std::vector<std::string> terms;
  const auto entries = parse_image_from(workload.image_from);
  if (!entries) return terms;  // The reconciler says what is wrong with it.
  for (const auto& entry : *entries)
    terms.push_back(term(workload.reference.namespace_, entry.image_build));
  return terms;
}

bool wants_reconcile(const Workload& before, const Workload& now) {
  return before.reference.uid != now.reference.uid || before.generation != now.generation ||
         before.image_from != now.image_from;
}

}  // namespace

class WorkloadView::TypeWatch final : public runtime::WatchHandler {
 public:
  TypeWatch(WorkloadView& view, const kube::ResourceType& type) : view_(view), type_(type) {}

  void applied(const kube::Object& object, Origin origin) override {
    view_.applied(type_, object, origin);
  }
  void deleted(const kube::ObjectKey& key) override { view_.deleted(type_, key); }
  std::vector<kube::ObjectKey> known() const override { return view_.known(type_); }

 private:
  WorkloadView& view_;
  kube::ResourceType type_;
};

WorkloadView::WorkloadView(runtime::KeySink& queue) : queue_(queue) {}

runtime::WatchHandler& WorkloadView::handler(const kube::ResourceType& type) {
  return *handlers_.emplace_back(std::make_unique<TypeWatch>(*this, type));
}

void WorkloadView::applied(const kube::ResourceType& type, const kube::Object& object,
                           Origin origin) {
  if (!object.meta().annotations.contains(std::string(kImageFrom)))
    return deleted(type, object.key());
  Workload workload(type, object.meta());
  const auto key = workload.work_key();
  const auto before = store_.find(key);
  const bool wanted = !before || wants_reconcile(*before, workload);
  auto terms = terms_of(workload);
  store_.put(key, std::move(workload), std::move(terms));
  if (wanted) queue_.add(key, origin == Origin::kInitial ? Priority::kLow : Priority::kHigh);
}

void WorkloadView::deleted(const kube::ResourceType& type, const kube::ObjectKey& key) {
  const auto work_key = Workload::work_key(type, key);
  // A last look, which forgets what is remembered of it.
  if (store_.erase(work_key)) queue_.add(work_key, Priority::kLow);
}

std::vector<kube::ObjectKey> WorkloadView::known(const kube::ResourceType& type) const {
  std::vector<kube::ObjectKey> keys;
  store_.for_each([&](const Workload& workload) {
    if (workload.type == type) keys.push_back(workload.key());
  });
  return keys;
}

void WorkloadView::image_build_changed(const kube::ObjectKey& image_build) {
  for (const auto& key : store_.with_term(term(image_build.namespace_, image_build.name)))
    queue_.add(key, Priority::kHigh);
}

}  // namespace kiln::rollout
