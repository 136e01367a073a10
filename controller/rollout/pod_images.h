#pragma once
#include <map>
#include <string>
#include <vector>

#include "controller/kube/object.h"
#include "controller/kube/resource_type.h"
#include "controller/rollout/annotation.h"
#include "core/base/error.h"

namespace kiln::rollout {

using Images = std::map<Place, std::string>;

/// The places for images in the pod template of a workload, and which of them are ours by
/// server-side apply. An immutable value.
class PodImages {
 public:
  /// Errors: kInvalid (the object has no pod template where its type has one).
  [[nodiscard]] static Result<PodImages> read(const kube::Object& object,
                                              const kube::ResourceType& type);

  /// The image that stands there; "" = none.
  /// Errors: kNotFound, naming the places that there are; kInvalid (a volume of another kind).
  [[nodiscard]] Result<std::string> at(const Place& place) const;

  /// What to apply (see kube::Client::apply) so that `images` stand where they belong; each must be
  /// at() a place. What was ours before and is not in `images` stays ours as it is: left out, it
  /// would be taken away.
  [[nodiscard]] std::string to_apply(const Images& images) const;

 private:
  /// One item of one of the lists of a pod's spec.
  struct Item {
    std::string list;
    Place place;
    std::string image;
    bool is_image = true;  ///< false: a volume of another kind.
    bool ours = false;
  };
  PodImages() = default;
  const Item* find(const Place& place) const;

  std::vector<std::string> path_;  ///< From the object to the pod's spec.
  std::vector<Item> items_;
};

}  // namespace kiln::rollout
