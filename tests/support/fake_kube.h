#pragma once
#include <boost/asio/this_coro.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/kube/client.h"
#include "core/base/json.h"
#include "tests/support/fake_watch.h"
#include "tests/support/merge_by_name.h"

namespace kiln::fakes {

/// One call of the client, as a test wants to see it.
struct KubeCall {
  std::string verb;  ///< get, get_remembered, get_metadata, list, watch, create, patch,
                     ///< patch_status, apply, update, remove
  std::string type;  ///< "configmaps", "imagebuilds.kiln.build"
  kube::ObjectKey key;
  std::string body;  ///< The object or patch that was sent; of get_remembered, the version.
  std::string line() const { return verb + " " + type + " " + key.str(); }
};

/// An API server in memory: objects with resourceVersion, generation, uid, finalizers, status apart
/// from the rest, merge patches with preconditions, pages, watches with bookmarks, 410. Remembers
/// every call.
///
///   FakeKube kube;
///   kube.put(kube::kConfigMaps, R"({"metadata":{"namespace":"web","name":"site"},"data":{…}})");
///   kube.fail_next("update_status", Error(Errc::kConflict, "…"));
///   kube.compact();       // watches from an older resourceVersion are told 410
///   kube.end_watches();   // as a server does at timeoutSeconds; or cut_watches(error)
///
/// Does not imitate: schemas and validation, access rights, label selectors beyond "k=v,k2=v2",
/// field selectors but for a name, deadlines, several versions of one type; who owns what by
/// server-side apply: fields are set, lists of named items merged by name, and nothing is taken
/// away. Lifetime: outlives its streams.
class FakeKube final : public kube::Client {
 public:
  // The test's side: what "somebody else" does. Nothing of it is recorded as a call.

  /// Creates or replaces. An object without namespace in a namespaced type goes to "default".
  kube::Object put(const kube::ResourceType& type, std::string_view json) {
    auto object = must_parse(json);
    auto& metadata = object["metadata"];
    if (type.namespaced && !metadata.contains("namespace")) metadata["namespace"] = "default";
    const auto key = key_of(object);
    const auto* before = find_json(type, key);
    return as_object(before == nullptr ? insert(type, key, std::move(object))
                                       : replace(type, key, std::move(object)));
  }
  /// Removes at once, finalizers or not.
  void erase(const kube::ResourceType& type, const kube::ObjectKey& key) {
    if (find_json(type, key) != nullptr) drop(type, key);
  }
  /// The object as it is now; nullptr when there is none. Valid until the next change.
  const Json* find_json(const kube::ResourceType& type, const kube::ObjectKey& key) const {
    const auto kind = objects_.find(type.str());
    if (kind == objects_.end()) return nullptr;
    const auto found = kind->second.find(key);
    return found == kind->second.end() ? nullptr : &found->second;
  }
  std::size_t count(const kube::ResourceType& type) const {
    const auto kind = objects_.find(type.str());
    return kind == objects_.end() ? 0 : kind->second.size();
  }
  std::string resource_version() const { return std::to_string(version_); }

  /// Forgets history: a watch (or list page) from before now is too old.
  void compact() { oldest_ = version_; }
  void end_watches() { finish_watches(std::nullopt); }
  void cut_watches(Error error) { finish_watches(std::move(error)); }
  /// A raw event on all open watches of the type, e.g. kUndecodable.
  void inject(const kube::ResourceType& type, const kube::WatchEvent& event) {
    for (auto* stream : streams_)
      if (stream->type.str() == type.str()) stream->push(event);
  }
  std::size_t open_watches() const { return streams_.size(); }

  /// The next call of `verb` fails, before it does anything; several are used up in order.
  void fail_next(std::string verb, Error error) {
    failures_.emplace_back(std::move(verb), std::move(error));
  }
  /// Asked before each call; an Error makes it fail.
  void fail_when(std::function<std::optional<Error>(const KubeCall&)> rule) {
    rule_ = std::move(rule);
  }
  /// Called after each call was recorded and before it acts, e.g. to change the object "meanwhile".
  void on_call(std::function<void(const KubeCall&)> hook) { hook_ = std::move(hook); }
  void support_watch_list(bool supported) { watch_list_ = supported; }

  const std::vector<KubeCall>& calls() const { return calls_; }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    for (const auto& call : calls_) all.push_back(call.line());
    return all;
  }
  std::vector<KubeCall> calls_of(std::string_view verb) const {
    std::vector<KubeCall> some;
    for (const auto& call : calls_)
      if (call.verb == verb) some.push_back(call);
    return some;
  }
  void forget_calls() { calls_.clear(); }

  // The client's side.

  Task<Result<kube::Object>> get(kube::ResourceType type, kube::ObjectKey key) override {
    KILN_CO_TRY(begin("get", type, key));
    const auto* found = find_json(type, key);
    if (found == nullptr) co_return not_found(type, key);
    co_return as_object(*found);
  }
  /// Remembers nothing: always answers the state of now.
  Task<Result<kube::Object>> get_remembered(kube::ResourceType type, kube::ObjectKey key,
                                            std::string resource_version) override {
    KILN_CO_TRY(begin("get_remembered", type, key, resource_version));
    const auto* found = find_json(type, key);
    if (found == nullptr) co_return not_found(type, key);
    co_return as_object(*found);
  }
  Task<Result<kube::Object>> get_metadata(kube::ResourceType type, kube::ObjectKey key) override {
    KILN_CO_TRY(begin("get_metadata", type, key));
    const auto* found = find_json(type, key);
    if (found == nullptr) co_return not_found(type, key);
    co_return as_object(metadata_of(*found));
  }
  Task<Result<kube::ObjectList>> list(kube::ResourceType type, kube::ListOptions options) override {
    KILN_CO_TRY(begin("list", type, kube::ObjectKey(options.selection.namespace_, "")));
    co_return page(type, options);
  }
  Task<Result<std::unique_ptr<kube::WatchStream>>> watch(kube::ResourceType type,
                                                         kube::WatchOptions options) override {
    KILN_CO_TRY(begin("watch", type, kube::ObjectKey(options.selection.namespace_, "")));
    if (options.send_initial_events && !watch_list_)
      co_return Error(Errc::kInvalid, "sendInitialEvents is forbidden for watch");
    auto stream =
        std::make_unique<Stream>(*this, type, options, co_await boost::asio::this_coro::executor);
    fill(*stream, options);
    streams_.push_back(stream.get());
    std::unique_ptr<kube::WatchStream> answer = std::move(stream);
    co_return answer;
  }
  Task<Result<kube::Object>> create(kube::ResourceType type, std::string namespace_,
                                    std::string json) override {
    auto object = must_parse(json);
    if (type.namespaced) object["metadata"]["namespace"] = namespace_;
    const auto key = key_of(object);
    KILN_CO_TRY(begin("create", type, key, json));
    if (find_json(type, key) != nullptr)
      co_return Error(Errc::kConflict, type.str() + " \"" + key.name + "\" already exists");
    co_return as_object(insert(type, key, std::move(object)));
  }
  Task<Result<kube::Object>> merge_patch(kube::ResourceType type, kube::ObjectKey key,
                                         std::string patch,
                                         kube::Precondition precondition) override {
    KILN_CO_TRY(begin("patch", type, key, patch));
    co_return apply_patch(type, key, patch, precondition);
  }
  Task<Result<kube::Object>> update_status(kube::ResourceType type, kube::ObjectKey key,
                                           std::string status,
                                           kube::Precondition precondition) override {
    KILN_CO_TRY(begin("update_status", type, key, status));
    const auto* before = find_json(type, key);
    if (before == nullptr) co_return not_found(type, key);
    KILN_CO_TRY(check(*before, precondition));
    auto after = *before;
    after["status"] = must_parse(status);
    if (after != *before) (void)replace(type, key, std::move(after));
    co_return as_object(metadata_of(*find_json(type, key)));
  }
  Task<Result<kube::Object>> apply(kube::ResourceType type, kube::ObjectKey key, std::string json,
                                   std::string manager, kube::Precondition precondition) override {
    KILN_CO_TRY(begin("apply", type, key, json));
    if (manager.empty()) co_return Error(Errc::kInvalid, "fieldManager is required");
    const auto* before = find_json(type, key);
    if (before == nullptr && !precondition.uid.empty())
      co_return Error(Errc::kConflict, "uid mismatch: no existing object was found");
    if (before == nullptr) co_return not_found(type, key);
    KILN_CO_TRY(check(*before, precondition));
    auto after = *before;
    merge_by_name(after, must_parse(json));
    if (after == *before) co_return as_object(after);
    co_return as_object(replace(type, key, std::move(after)));
  }
  Task<Result<kube::Object>> update(kube::ResourceType type, kube::ObjectKey key,
                                    std::string json) override {
    KILN_CO_TRY(begin("update", type, key, json));
    const auto* before = find_json(type, key);
    if (before == nullptr) co_return not_found(type, key);
    auto object = must_parse(json);
    kube::Precondition precondition;
    precondition.resource_version = json_string(json_at(object, "metadata"), "resourceVersion");
    KILN_CO_TRY(check(*before, precondition));
    co_return as_object(replace(type, key, std::move(object)));
  }
  Task<Result<void>> remove(kube::ResourceType type, kube::ObjectKey key,
                            kube::Precondition precondition) override {
    KILN_CO_TRY(begin("remove", type, key));
    const auto* before = find_json(type, key);
    if (before == nullptr) co_return not_found(type, key);
    KILN_CO_TRY(check(*before, precondition));
    auto object = *before;
    if (json_at(object["metadata"], "finalizers").empty()) {
      drop(type, key);
    } else {
      object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
      replace(type, key, std::move(object));
    }
    co_return Result<void>();
  }

 private:
  struct Change {
    std::uint64_t version;
    std::string type;
    kube::WatchEventType event;
    Json object;
  };

  struct Stream final : public FakeWatch {
    Stream(FakeKube& k, const kube::ResourceType& t, kube::WatchOptions o, const Executor& executor)
        : FakeWatch(std::move(o.is_known), executor),
          owner(k),
          type(t),
          selection(std::move(o.selection)) {}
    ~Stream() override { owner.streams_.remove(this); }

    FakeKube& owner;
    kube::ResourceType type;
    kube::Selection selection;
  };

  static Json must_parse(std::string_view json) {
    auto parsed = parse_json(json);
    if (!parsed) throw std::logic_error("FakeKube: " + parsed.error().message);
    return std::move(*parsed);
  }
  static kube::ObjectKey key_of(const Json& object) {
    const auto& metadata = json_at(object, "metadata");
    auto name = json_string(metadata, "name");
    if (name.empty()) throw std::logic_error("FakeKube: the object has no name");
    return kube::ObjectKey(json_string(metadata, "namespace"), std::move(name));
  }
  static kube::Object as_object(const Json& json) {
    auto object = kube::Object::parse(dump_json(json));
    if (!object) throw std::logic_error("FakeKube: " + object.error().message);
    return std::move(*object);
  }
  static Json metadata_of(const Json& object) {
    return {{"apiVersion", "meta.k8s.io/v1"},
            {"kind", "PartialObjectMetadata"},
            {"metadata", object.at("metadata")}};
  }
  static Error not_found(const kube::ResourceType& type, const kube::ObjectKey& key) {
    return Error(Errc::kNotFound, type.str() + " \"" + key.name + "\" not found");
  }

  Result<void> begin(std::string verb, const kube::ResourceType& type, const kube::ObjectKey& key,
                     std::string body = {}) {
    KubeCall call;
    call.verb = std::move(verb);
    call.type = type.str();
    call.key = key;
    call.body = std::move(body);
    calls_.push_back(call);
    if (hook_) hook_(call);
    if (rule_)
      if (auto error = rule_(call)) return std::move(*error);
    for (auto failure = failures_.begin(); failure != failures_.end(); ++failure) {
      if (failure->first != call.verb) continue;
      auto error = std::move(failure->second);
      failures_.erase(failure);
      return error;
    }
    return {};
  }

  Result<void> check(const Json& object, const kube::Precondition& precondition) const {
    const auto& metadata = object.at("metadata");
    const auto& version = precondition.resource_version;
    if (!version.empty() && version != json_string(metadata, "resourceVersion"))
      return Error(Errc::kConflict,
                   "the object has been modified; please apply your changes to "
                   "the latest version and try again");
    if (!precondition.uid.empty() && precondition.uid != json_string(metadata, "uid"))
      return Error(Errc::kConflict, "the UID in the precondition does not match");
    return {};
  }

  Result<kube::Object> apply_patch(const kube::ResourceType& type, const kube::ObjectKey& key,
                                   const std::string& text, kube::Precondition precondition) {
    const auto* before = find_json(type, key);
    if (before == nullptr) return not_found(type, key);
    auto patch = must_parse(text);
    const auto in_patch = json_string(json_at(patch, "metadata"), "resourceVersion");
    if (!in_patch.empty()) precondition.resource_version = in_patch;
    KILN_TRY(check(*before, precondition));
    auto after = *before;
    patch.erase("status");  // As with every type that has the status subresource.
    after.merge_patch(patch);
    after["metadata"]["resourceVersion"] = before->at("metadata").at("resourceVersion");
    if (after == *before) return as_object(after);
    return as_object(replace(type, key, std::move(after)));
  }

  const Json& insert(const kube::ResourceType& type, const kube::ObjectKey& key, Json object) {
    auto& metadata = object["metadata"];
    object["apiVersion"] = type.api_version();
    object["kind"] = type.kind;
    if (!metadata.contains("uid")) metadata["uid"] = "uid-" + std::to_string(version_ + 1);
    if (!metadata.contains("creationTimestamp"))
      metadata["creationTimestamp"] = "2026-01-01T00:00:00Z";
    if (!metadata.contains("generation")) metadata["generation"] = 1;
    return store(type, key, std::move(object), kube::WatchEventType::kAdded);
  }

  const Json& replace(const kube::ResourceType& type, const kube::ObjectKey& key, Json object) {
    const auto before = *find_json(type, key);
    auto& metadata = object["metadata"];
    object["apiVersion"] = type.api_version();
    object["kind"] = type.kind;
    for (const auto* kept : {"uid", "creationTimestamp", "namespace", "name"})
      if (before["metadata"].contains(kept)) metadata[kept] = before["metadata"][kept];
    const auto generation = before["metadata"].value("generation", 1);
    const bool changed = json_at(before, "spec") != json_at(object, "spec") ||
                         (metadata.contains("deletionTimestamp") &&
                          !before["metadata"].contains("deletionTimestamp"));
    metadata["generation"] = generation + (changed ? 1 : 0);
    const bool gone =
        metadata.contains("deletionTimestamp") && json_at(metadata, "finalizers").empty();
    const auto& stored =
        store(type, key, std::move(object), kube::WatchEventType::kModified, !gone);
    if (!gone) return stored;
    last_deleted_ = stored;
    drop(type, key);
    return last_deleted_;
  }

  const Json& store(const kube::ResourceType& type, const kube::ObjectKey& key, Json object,
                    kube::WatchEventType event, bool announced = true) {
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    auto& stored = objects_[type.str()][key];
    stored = std::move(object);
    if (announced) announce(type, event, stored);
    return stored;
  }

  void drop(const kube::ResourceType& type, const kube::ObjectKey& key) {
    auto& kind = objects_[type.str()];
    auto object = std::move(kind.at(key));
    kind.erase(key);
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    announce(type, kube::WatchEventType::kDeleted, object);
  }

  void announce(const kube::ResourceType& type, kube::WatchEventType event, const Json& object) {
    history_.push_back(Change{version_, type.str(), event, object});
    for (auto* stream : streams_)
      if (stream->type.str() == type.str() && selected(stream->selection, object))
        stream->push(event_of(stream->selection, event, object));
  }

  static kube::WatchEvent event_of(const kube::Selection& selection, kube::WatchEventType type,
                                   const Json& object) {
    kube::WatchEvent event(type);
    event.object.emplace(as_object(selection.metadata_only ? metadata_of(object) : object));
    event.resource_version = event.object->meta().resource_version;
    return event;
  }

  static bool selected(const kube::Selection& selection, const Json& object) {
    const auto& metadata = object.at("metadata");
    if (!selection.namespace_.empty() && json_string(metadata, "namespace") != selection.namespace_)
      return false;
    if (!selection.name.empty() && json_string(metadata, "name") != selection.name) return false;
    std::string_view rest = selection.label_selector;
    while (!rest.empty()) {
      const auto term = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), term.size() + 1));
      const auto equals = term.find('=');
      if (equals == term.npos) throw std::logic_error("FakeKube: only k=v selectors");
      if (json_string(json_at(metadata, "labels"), term.substr(0, equals)) !=
          term.substr(equals + 1))
        return false;
    }
    return true;
  }

  /// Continue tokens are "VERSION NAMESPACE/NAME" of the last object of the page before.
  Result<kube::ObjectList> page(const kube::ResourceType& type, const kube::ListOptions& options) {
    kube::ObjectKey after;
    if (!options.continue_token.empty()) {
      const auto& token = options.continue_token;
      const auto blank = token.find(' ');
      const auto slash = token.find('/', blank);
      if (std::stoull(token.substr(0, blank)) < oldest_)
        return Error(Errc::kGone, "the provided continue parameter is too old");
      after = kube::ObjectKey(token.substr(blank + 1, slash - blank - 1), token.substr(slash + 1));
    } else if (!options.resource_version.empty() &&
               std::stoull(options.resource_version) > version_) {
      return Error(Errc::kGone, "Too large resource version");
    }
    kube::ObjectList list;
    list.resource_version = std::to_string(version_);
    const bool pages = options.limit > 0 && options.resource_version.empty();
    for (const auto& [key, object] : objects_[type.str()]) {
      if (!(after < key) || !selected(options.selection, object)) continue;
      if (pages && list.items.size() == options.limit) {
        list.continue_token = list.resource_version + " " + list.items.back().key().str();
        break;
      }
      list.items.push_back(
          as_object(options.selection.metadata_only ? metadata_of(object) : object));
    }
    return list;
  }

  void fill(Stream& stream, const kube::WatchOptions& options) {
    const auto from = options.resource_version.empty() ? 0 : std::stoull(options.resource_version);
    if (options.send_initial_events) {
      if (from > version_) return push_gone(stream);
      for (const auto& [key, object] : objects_[stream.type.str()])
        if (selected(stream.selection, object))
          stream.push(event_of(stream.selection, kube::WatchEventType::kAdded, object));
      kube::WatchEvent bookmark(kube::WatchEventType::kBookmark);
      bookmark.resource_version = std::to_string(version_);
      bookmark.initial_events_end = true;
      return stream.push(bookmark);
    }
    if (from < oldest_) return push_gone(stream);
    for (const auto& change : history_)
      if (change.version > from && change.type == stream.type.str() &&
          selected(stream.selection, change.object))
        stream.push(event_of(stream.selection, change.event, change.object));
  }

  static void push_gone(Stream& stream) {
    kube::WatchEvent event(kube::WatchEventType::kError);
    event.error = Error(Errc::kGone, "too old resource version");
    stream.push(event);
    stream.finish();
  }

  void finish_watches(std::optional<Error> failure) {
    for (auto* stream : streams_) stream->finish(failure);
  }

  std::uint64_t version_ = 100;
  std::uint64_t oldest_ = 0;
  std::map<std::string, std::map<kube::ObjectKey, Json>> objects_;
  std::vector<Change> history_;
  std::list<Stream*> streams_;
  Json last_deleted_;
  std::vector<KubeCall> calls_;
  std::list<std::pair<std::string, Error>> failures_;
  std::function<std::optional<Error>(const KubeCall&)> rule_;
  std::function<void(const KubeCall&)> hook_;
  bool watch_list_ = true;
};

}  // namespace kiln::fakes
