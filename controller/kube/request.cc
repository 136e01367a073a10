#include "controller/kube/request.h"

#include <string>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/json.h"

namespace kiln::kube {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kMetadata =
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
constexpr std::string_view kMetadataList =
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

void add_part(std::string& path, std::string_view part) {
  path += "/" + percent_encode(part);
}

http::Url with_selection(http::Url url, const Selection& selection) {
  if (!selection.name.empty())
    url = url.with_query("fieldSelector", "metadata.name=" + selection.name);
  if (!selection.label_selector.empty())
    url = url.with_query("labelSelector", selection.label_selector);
  return url;
}

http::Request with_json(std::string method, http::Url url, std::string json,
                        std::string_view content_type) {
  http::Request request(std::move(method), std::move(url));
  request.headers.set("Accept", kJson);
  request.headers.set("Content-Type", content_type);
  request.body = http::Body(std::move(json));
  return request;
}

/// Fills in what the object at the server must be. Errors: kInvalid.
Result<void> demand(Json& object, const Precondition& precondition, std::string_view what) {
  if (!object.is_object())
    return Error(Errc::kInvalid, std::string(what) + " must be a JSON object");
  auto& metadata = object["metadata"];
  if (!metadata.is_null() && !metadata.is_object())
    return Error(Errc::kInvalid, "metadata of " + std::string(what) + " must be a JSON object");
  if (!precondition.resource_version.empty())
    metadata["resourceVersion"] = precondition.resource_version;
  if (!precondition.uid.empty()) metadata["uid"] = precondition.uid;
  if (metadata.is_null()) object.erase("metadata");
  return {};
}

/// What every object has that is sent.
Json named(const ResourceType& type, const ObjectKey& key) {
  Json object = {
      {"apiVersion", type.api_version()}, {"kind", type.kind}, {"metadata", {{"name", key.name}}}};
  if (type.namespaced) object["metadata"]["namespace"] = key.namespace_;
  return object;
}

}  // namespace

// Source: api-concepts "Resource URIs": /api/v1/… for the core group, /apis/GROUP/VERSION/… else.
http::Url RequestBuilder::collection(const ResourceType& type, std::string_view namespace_) const {
  std::string path = server_.path();
  while (path.ends_with('/')) path.pop_back();
  path += type.group.empty() ? "/api" : "/apis";
  if (!type.group.empty()) add_part(path, type.group);
  add_part(path, type.version);
  if (type.namespaced && !namespace_.empty()) {
    path += "/namespaces";
    add_part(path, namespace_);
  }
  add_part(path, type.plural);
  return server_.with_path(std::move(path));
}

http::Url RequestBuilder::object(const ResourceType& type, const ObjectKey& key,
                                 std::string_view subresource) const {
  auto path = collection(type, key.namespace_).path();
  add_part(path, key.name);
  if (!subresource.empty()) add_part(path, subresource);
  return server_.with_path(std::move(path));
}

http::Request RequestBuilder::get(const ResourceType& type, const ObjectKey& key,
                                  bool metadata_only) const {
  http::Request request("GET", object(type, key));
  request.headers.set("Accept", metadata_only ? kMetadata : kJson);
  return request;
}

http::Request RequestBuilder::get_remembered(const ResourceType& type, const ObjectKey& key,
                                             std::string_view resource_version) const {
  http::Request request("GET", object(type, key).with_query("resourceVersion", resource_version));
  request.headers.set("Accept", kJson);
  return request;
}

http::Request RequestBuilder::list(const ResourceType& type, const ListOptions& options) const {
  auto url = with_selection(collection(type, options.selection.namespace_), options.selection);
  if (options.limit > 0) url = url.with_query("limit", std::to_string(options.limit));
  // A continue token has its own resourceVersion; the server refuses both together.
  if (!options.continue_token.empty()) {
    url = url.with_query("continue", options.continue_token);
  } else if (!options.resource_version.empty()) {
    url = url.with_query("resourceVersion", options.resource_version);
    url = url.with_query("resourceVersionMatch", "NotOlderThan");
  }
  http::Request request("GET", std::move(url));
  request.headers.set("Accept", options.selection.metadata_only ? kMetadataList : kJson);
  return request;
}

http::Request RequestBuilder::watch(const ResourceType& type, const WatchOptions& options) const {
  auto url = with_selection(collection(type, options.selection.namespace_), options.selection);
  url = url.with_query("watch", "true").with_query("allowWatchBookmarks", "true");
  url = url.with_query("timeoutSeconds", std::to_string(options.timeout.count()));
  if (options.send_initial_events)
    url = url.with_query("sendInitialEvents", "true")
              .with_query("resourceVersionMatch", "NotOlderThan");
  if (!options.resource_version.empty())
    url = url.with_query("resourceVersion", options.resource_version);
  http::Request request("GET", std::move(url));
  // In a watch each event's object has the single form, not the list's.
  request.headers.set("Accept", options.selection.metadata_only ? kMetadata : kJson);
  return request;
}

http::Request RequestBuilder::create(const ResourceType& type, std::string_view namespace_,
                                     std::string json) const {
  return with_json("POST", collection(type, namespace_), std::move(json), kJson);
}

Result<http::Request> RequestBuilder::merge_patch(const ResourceType& type, const ObjectKey& key,
                                                  std::string_view patch,
                                                  const Precondition& precondition) const {
  auto json = parse_json(patch);
  if (!json) return std::move(json).error().while_doing("reading the patch");
  KILN_TRY(demand(*json, precondition, "a merge patch"));
  return with_json("PATCH", object(type, key), dump_json(*json), "application/merge-patch+json");
}

Result<http::Request> RequestBuilder::update_status(const ResourceType& type, const ObjectKey& key,
                                                    std::string_view status,
                                                    const Precondition& precondition) const {
  if (precondition.resource_version.empty())
    return Error(Errc::kInvalid, "a status is only updated from a resourceVersion that is known");
  auto body = named(type, key);
  KILN_TRY(demand(body, precondition, "an update"));
  // The larger part is text already.
  auto text = dump_json(body);
  text.pop_back();
  text.append(",\"status\":").append(status).append("}");
  auto request = with_json("PUT", object(type, key, "status"), std::move(text), kJson);
  request.headers.set("Accept", kMetadata);
  return request;
}

// JSON is YAML. The server checks that the name in the body is that of the URL.
Result<http::Request> RequestBuilder::apply(const ResourceType& type, const ObjectKey& key,
                                            std::string_view json, std::string_view manager,
                                            const Precondition& precondition) const {
  auto object_json = parse_json(json);
  if (!object_json) return std::move(object_json).error().while_doing("reading what to apply");
  KILN_TRY(demand(*object_json, precondition, "what to apply"));
  object_json->merge_patch(named(type, key));
  auto url = object(type, key).with_query("fieldManager", manager).with_query("force", "true");
  return with_json("PATCH", std::move(url), dump_json(*object_json),
                   "application/apply-patch+yaml");
}

http::Request RequestBuilder::update(const ResourceType& type, const ObjectKey& key,
                                     std::string json) const {
  return with_json("PUT", object(type, key), std::move(json), kJson);
}

http::Request RequestBuilder::remove(const ResourceType& type, const ObjectKey& key,
                                     const Precondition& precondition) const {
  Json options = {
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", "Background"}};
  if (!precondition.resource_version.empty())
    options["preconditions"]["resourceVersion"] = precondition.resource_version;
  if (!precondition.uid.empty()) options["preconditions"]["uid"] = precondition.uid;
  return with_json("DELETE", object(type, key), dump_json(options), kJson);
}

Precondition Precondition::unchanged(const ObjectMeta& meta) {
  Precondition precondition;
  precondition.resource_version = meta.resource_version;
  precondition.uid = meta.uid;
  return precondition;
}

}  // namespace kiln::kube
