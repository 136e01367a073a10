#include <algorithm>

#include "controller/hooks/body.h"
#include "core/http/url.h"

namespace kiln::hooks {
namespace {

Error missing(std::string_view field) {
  return {Errc::kInvalid, std::string(field) + " is missing"};
}

/// `repository` has its registry in front. What is no name of a repository or no tag is left out:
/// nobody has it as a base.
void add_image(Notice& notice, const std::string& repository, const std::string& tag,
               std::string digest) {
  const auto parsed = oci::Reference::parse_repository(repository);
  const auto parsed_tag = oci::Reference::parse_tag(tag);
  if (!parsed || !parsed_tag || notice.images.size() == Notice::kMostImages) return;
  ImagePush image{*parsed, *parsed_tag, std::move(digest)};
  if (std::find(notice.images.begin(), notice.images.end(), image) == notice.images.end())
    notice.images.push_back(std::move(image));
  notice.what = Notice::What::kNews;
}

/// distribution tells of a manifest before it sets the tag (PutManifest in
/// registry/handlers/manifests.go), which takes two writes to its storage.
constexpr std::chrono::milliseconds kUntilTheTagIsSet{2'000};

/// A registry is known under the name that the pusher used and under the one in its own URLs.
void add_distribution_event(Notice& notice, const Json& event) {
  const auto& target = json_at(event, "target");
  const auto tag = json_string(target, "tag");
  if (json_string(event, "action") != "push" || tag.empty()) return;
  const auto path = json_string(target, "repository");
  const auto digest = json_string(target, "digest");
  if (const auto host = json_string(json_at(event, "request"), "host"); !host.empty())
    add_image(notice, host + "/" + path, tag, digest);
  if (const auto url = http::Url::parse(json_string(target, "url")))
    add_image(notice, url->host_port() + "/" + path, tag, digest);
}

}  // namespace

// Source: distribution.github.io, "Work with notifications". What is pushed by digest, as the
// parts of an index are, has no tag and moves none.
Result<Notice> read_distribution(const Json& body) {
  const auto& events = json_at(body, "events");
  if (!events.is_array()) return missing("events");
  Notice notice;
  notice.visible_after = kUntilTheTagIsSet;
  for (const auto& event : events) add_distribution_event(notice, event);
  return notice;
}

// Source: goharbor.io, "Configure Webhook Notifications", both formats.
Result<Notice> read_harbor(const Json& body) {
  const auto type = json_string(body, "type");
  if (type.empty()) return missing("type");
  Notice notice;
  const bool cloud_event = type == "harbor.artifact.pushed";
  if (!cloud_event && type != "PUSH_ARTIFACT") return notice;
  const auto& resources = json_at(json_at(body, cloud_event ? "data" : "event_data"), "resources");
  if (!resources.is_array()) return missing("resources");
  for (const auto& resource : resources) {
    const auto reference = oci::Reference::parse(json_string(resource, "resource_url"));
    if (!reference) continue;
    auto tag = json_string(resource, "tag");
    if (tag.empty() && !reference->digest()) tag = reference->tag();
    add_image(notice, reference->repository().str(), tag, json_string(resource, "digest"));
  }
  return notice;
}

// Source: docs.projectquay.io, "Repository Push"; quay.io once had an object of tags.
Result<Notice> read_quay(const Json& body) {
  Notice notice;
  const auto& tags = json_at(body, "updated_tags");
  const auto repository = json_string(body, "docker_url");
  if (repository.empty()) return missing("docker_url");
  if (tags.is_array())
    for (const auto& tag : tags)
      if (tag.is_string()) add_image(notice, repository, tag.get<std::string>(), "");
  if (tags.is_object())
    for (const auto& [tag, image] : tags.items()) add_image(notice, repository, tag, "");
  return notice;
}

// Source: docs.github.com, "Webhook events and payloads", package and registry_package.
Result<Notice> read_github_package(const Json& body) {
  Notice notice;
  const auto& newer = json_at(body, "package");
  const auto& package = newer.is_object() ? newer : json_at(body, "registry_package");
  if (!package.is_object()) return missing("package");
  auto type = json_string(package, "package_type");
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (type != "container") return notice;
  const auto& version = json_at(package, "package_version");
  const auto& tag = json_at(json_at(version, "container_metadata"), "tag");
  // "ghcr.io/team/site:1.27": only here does it stand at which registry. What has no tag ends in
  // ':'.
  auto url = json_string(version, "package_url");
  if (const auto colon = url.rfind(':'); colon != url.npos && url.find('/', colon) == url.npos)
    url.resize(colon);
  if (const auto at = url.find('@'); at != url.npos) url.resize(at);
  add_image(notice, url, json_string(tag, "name"), json_string(tag, "digest"));
  return notice;
}

// Source: docs/webhooks.md.
Result<Notice> read_generic(const Json& body) {
  Notice notice;
  if (json_at(body, "ping") == true) {
    notice.what = Notice::What::kPing;
    return notice;
  }
  const auto url = json_string(body, "repository");
  const auto name = json_string(body, "image");
  if (url.empty() && name.empty())
    return Error(Errc::kInvalid,
                 R"(write {"repository": URL, "ref": "refs/heads/main"} or {"image": REFERENCE})");
  if (!url.empty()) {
    const auto ref = json_string(body, "ref");
    if (!ref.empty() && !ref.starts_with("refs/"))
      return Error(Errc::kInvalid, "ref must be a full name, such as refs/heads/main");
    auto read = git_notice({url}, ref.empty() ? std::vector<std::string>() : std::vector{ref});
    if (!read) return read;
    notice = std::move(*read);
  }
  if (name.empty()) return notice;
  const auto reference = oci::Reference::parse(name);
  if (!reference) return Error(reference.error()).while_doing("image");
  if (reference->tag().empty()) return Error(Errc::kInvalid, "image must have a tag");
  add_image(notice, reference->repository().str(), reference->tag(),
            reference->digest() ? reference->digest()->str() : "");
  return notice;
}

}  // namespace kiln::hooks
