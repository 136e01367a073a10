#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "controller/imagebuild/cluster_view.h"

namespace kiln::imagebuild {

using runtime::Origin;
using runtime::Priority;

/// A queue that remembers the names.
class Keys final : public runtime::KeySink {
 public:
  void add(const kube::ObjectKey& key, Priority priority) override {
    added.push_back(key.name + (priority == Priority::kLow ? " low" : ""));
  }
  void add_after(const kube::ObjectKey& key, std::chrono::milliseconds,
                 Priority priority) override {
    add(key, priority);
  }
  std::vector<std::string> take() { return std::exchange(added, {}); }
  std::vector<std::string> added;
};
using Names = std::vector<std::string>;

struct Shape {
  std::string name = "site";
  int version = 1;
  int generation = 1;
  std::string created = "2026-01-01T00:00:00Z";
  std::string extra{};  ///< More metadata, beginning with a comma.
  std::string output = "r.io/team/site:1";
  std::string tags{};  ///< More of them, in quotation marks and with commas.
};

inline kube::Object build(const Shape& shape) {
  return *kube::Object::parse(
      R"({"metadata":{"namespace":"web","name":")" + shape.name + R"(","uid":"u-)" + shape.name +
      R"(","resourceVersion":")" + std::to_string(shape.version) + R"(","generation":)" +
      std::to_string(shape.generation) + R"(,"creationTimestamp":")" + shape.created + "\"" +
      shape.extra +
      R"(},"spec":{"base":{"image":"scratch"},"content":[{"configMap":{"name":"pages"},"path":"/srv"}],)"
      R"("output":{"image":")" +
      shape.output + R"(","tags":[)" + shape.tags + "]}}}");
}

inline kube::Object config_map(const std::string& name, int version) {
  return *kube::Object::parse(R"({"metadata":{"namespace":"web","name":")" + name +
                              R"(","resourceVersion":")" + std::to_string(version) + "\"}}");
}

class View : public ::testing::Test {
 protected:
  /// Who has a tag that this one would move.
  std::string holder_for(const std::string& name) const {
    const auto holder = view_.tag_holder(*view_.find({"web", name})->build);
    return holder ? holder->name : "none";
  }

  Keys keys_;
  ClusterView view_{keys_};
  ContentWatch pages_{"ConfigMap", view_};
};

}  // namespace kiln::imagebuild
