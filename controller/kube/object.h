#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/time_text.h"

namespace kiln::kube {

/// Whose fields those are that Kiln sets on other people's objects, by server-side apply.
inline constexpr std::string_view kFieldManager = "kiln-rollout";

/// Which object of a type: namespace and name. A small value, ordered by namespace first.
struct ObjectKey {
  std::string namespace_;  ///< "" for objects without a namespace.
  std::string name;

  ObjectKey() = default;
  ObjectKey(std::string ns, std::string n) : namespace_(std::move(ns)), name(std::move(n)) {}

  std::string str() const;  ///< "namespace/name", or "name" alone without a namespace.
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

/// The part of `metadata` that Kiln looks at.
struct ObjectMeta {
  std::string name;
  std::string namespace_;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::optional<WallTime> creation_timestamp{};
  std::optional<WallTime> deletion_timestamp{};  ///< Set: being deleted, finalizers are awaited.
  std::vector<std::string> finalizers{};
  std::map<std::string, std::string> labels{};
  std::map<std::string, std::string> annotations{};

  ObjectMeta() = default;  // Not an aggregate: may travel through co_await.
  bool is_deleting() const { return deletion_timestamp.has_value(); }
  bool has_finalizer(std::string_view finalizer) const;
  /// The annotation's value, or "" when there is none.
  std::string_view annotation(std::string_view name) const;
};

/// One state of one object.
struct ObjectState {
  ObjectKey key;
  std::string uid;
  std::string resource_version;

  ObjectState(ObjectKey k, std::string u, std::string version)
      : key(std::move(k)), uid(std::move(u)), resource_version(std::move(version)) {}
};

/// One object as the API server gave it: its JSON text, reduced, with `metadata` read. Immutable;
/// copies share. Reduced: without kubectl's last-applied annotation and `metadata.managedFields`
/// but for what kFieldManager has; they are a third of a typical object and of no use to us.
/// Threads: any.
class Object {
 public:
  /// Reads an object with at least a name. What is not of its metadata may be read by no more than
  /// where it ends: whoever reads that finds what is wrong with it.
  /// Errors: kInvalid, naming the part that is wrong.
  [[nodiscard]] static Result<Object> parse(std::string_view json);

  /// The same as lists and watches bring it: without labels, managedFields, and annotations that
  /// are neither Kiln's nor Flux's requests. They can be most of an object, and nobody looks at
  /// them.
  [[nodiscard]] static Result<Object> parse_for_keeping(std::string_view json);

  /// What parse_for_keeping() makes of its text.
  Object for_keeping() const;

  const ObjectMeta& meta() const { return data_->meta; }
  ObjectKey key() const { return ObjectKey(data_->meta.namespace_, data_->meta.name); }
  ObjectState state() const { return ObjectState(key(), meta().uid, meta().resource_version); }
  /// Its members sorted, the metadata as dump_json() writes it, the others so or as the server
  /// does. Lifetime: as long as any copy of the object.
  const std::string& json() const { return data_->json; }
  /// "" when the server left them out, as it does in lists of built-in types.
  const std::string& kind() const { return data_->kind; }
  const std::string& api_version() const { return data_->api_version; }

 private:
  struct Data {
    std::string json;
    std::string kind;
    std::string api_version;
    ObjectMeta meta;
  };
  friend class ObjectReader;
  explicit Object(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

/// Is resourceVersion `a` newer than `b` of the same object? nullopt where one of them is no
/// decimal number (API servers of an aggregated API may have such). Source: KEP-5504.
std::optional<bool> is_newer_version(std::string_view a, std::string_view b);

}  // namespace kiln::kube

template <>
struct std::hash<kiln::kube::ObjectKey> {
  std::size_t operator()(const kiln::kube::ObjectKey& key) const noexcept {
    const std::hash<std::string> of_text;
    return of_text(key.namespace_) * 31 + of_text(key.name);
  }
};
