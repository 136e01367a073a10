#include <algorithm>

#include "controller/hooks/body.h"

namespace kiln::hooks {
namespace {

Error missing(std::string_view field) {
  return {Errc::kInvalid, std::string(field) + " is missing"};
}

Notice plain(Notice::What what) {
  Notice notice;
  notice.what = what;
  return notice;
}

/// The strings at `keys`; those that are empty are left out.
std::vector<std::string> texts(const Json& object, std::initializer_list<std::string_view> keys) {
  std::vector<std::string> all;
  for (const auto key : keys)
    if (auto text = json_string(object, key); !text.empty()) all.push_back(std::move(text));
  return all;
}

/// "https://user@host/…", as Bitbucket writes addresses for the one who looks at them.
std::string without_user(std::string url) {
  const auto scheme = url.find("://");
  if (scheme == url.npos || !url.starts_with("http")) return url;
  const auto at = url.find('@', scheme);
  if (at < url.find('/', scheme + 3)) url.erase(scheme + 3, at - scheme - 2);
  return url;
}

/// "refs/heads/main" of what is "branch", "refs/tags/v1" of a "tag"; "" = neither.
std::string full_ref(const std::string& type, const std::string& name) {
  if (name.empty()) return "";
  if (type == "tag") return "refs/tags/" + name;
  return type == "branch" || type == "named_branch" ? "refs/heads/" + name : "";
}

void add_links(const Json& links, std::vector<std::string>& urls) {
  if (links.is_object()) {
    if (auto url = json_string(links, "href"); !url.empty())
      urls.push_back(without_user(std::move(url)));
  } else if (links.is_array()) {
    for (const auto& link : links)
      if (auto url = json_string(link, "href"); !url.empty())
        urls.push_back(without_user(std::move(url)));
  }
}

/// Of a change in Bitbucket Cloud (old and new) or Data Center (ref).
std::string bitbucket_ref(const Json& change) {
  if (auto id = json_string(json_at(change, "ref"), "id"); !id.empty()) return id;
  const auto& now = json_at(change, "new");
  const auto& ref = now.is_object() ? now : json_at(change, "old");
  return full_ref(json_string(ref, "type"), json_string(ref, "name"));
}

}  // namespace

Result<Notice> git_notice(std::vector<std::string> urls, std::vector<std::string> refs) {
  if (urls.empty()) return Error(Errc::kInvalid, "the body names no address of the repository");
  std::sort(refs.begin(), refs.end());
  refs.erase(std::unique(refs.begin(), refs.end()), refs.end());
  if (refs.size() > Notice::kMostRefs) refs.clear();
  GitPush push;
  push.urls = std::move(urls);
  push.refs = std::move(refs);
  auto notice = plain(Notice::What::kNews);
  notice.pushes.push_back(std::move(push));
  return notice;
}

// Source: docs.github.com, "Webhook events and payloads".
Result<Notice> read_github(const Json& body, std::string_view event) {
  if (event.empty()) return missing("the header X-GitHub-Event");
  if (event == "ping") return plain(Notice::What::kPing);
  if (event == "package" || event == "registry_package") return read_github_package(body);
  if (event != "push") return plain(Notice::What::kNothing);
  auto ref = json_string(body, "ref");
  if (ref.empty()) return missing("ref");
  return git_notice(texts(json_at(body, "repository"), {"clone_url", "ssh_url", "html_url"}),
                    {std::move(ref)});
}

// Source: docs.gitlab.com, "Webhook events" and "System hooks": both name the event in the body.
Result<Notice> read_gitlab(const Json& body) {
  auto event = json_string(body, "object_kind");
  if (event.empty()) event = json_string(body, "event_name");
  if (event.empty()) return missing("object_kind");
  if (event != "push" && event != "tag_push") return plain(Notice::What::kNothing);
  auto ref = json_string(body, "ref");
  if (ref.empty()) return missing("ref");
  return git_notice(texts(json_at(body, "project"), {"git_http_url", "git_ssh_url", "web_url"}),
                    {std::move(ref)});
}

// Source: docs.gitea.com, "Webhooks"; Forgejo's are the same. That a tag or branch is made or
// deleted may be told by an event of its own, with a short name.
Result<Notice> read_gitea(const Json& body, std::string_view event) {
  if (event.empty()) return missing("the header X-Gitea-Event");
  if (event != "push" && event != "create" && event != "delete")
    return plain(Notice::What::kNothing);
  auto ref = json_string(body, "ref");
  if (event != "push") ref = full_ref(json_string(body, "ref_type"), ref);
  if (ref.empty()) return missing("ref");
  return git_notice(texts(json_at(body, "repository"), {"clone_url", "ssh_url", "html_url"}),
                    {std::move(ref)});
}

// Source: support.atlassian.com, "Event payloads" (Cloud); confluence.atlassian.com, "Event
// payload" (Data Center).
Result<Notice> read_bitbucket(const Json& body, std::string_view event) {
  if (event.empty()) return missing("the header X-Event-Key");
  if (event == "diagnostics:ping") return plain(Notice::What::kPing);
  const bool cloud = event == "repo:push";
  if (!cloud && event != "repo:refs_changed") return plain(Notice::What::kNothing);
  std::vector<std::string> urls;
  const auto& links = json_at(json_at(body, "repository"), "links");
  for (const auto* name : {"clone", "html"}) add_links(json_at(links, name), urls);
  const auto& changes =
      cloud ? json_at(json_at(body, "push"), "changes") : json_at(body, "changes");
  if (!changes.is_array() || changes.empty()) return missing("changes");
  std::vector<std::string> refs;
  for (const auto& change : changes)
    if (auto ref = bitbucket_ref(change); !ref.empty()) refs.push_back(std::move(ref));
  if (refs.empty()) return missing("the ref of a change");
  return git_notice(std::move(urls), std::move(refs));
}

}  // namespace kiln::hooks
