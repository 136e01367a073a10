#pragma once
#include <string>

/// What senders send when a person pushes to main of team/site, or team/base:1.27 to a registry:
/// the fields that their documentation shows, without those that say who and when in other words.
namespace kiln::hooks::bodies {

inline const std::string kGitHubPush = R"({
  "ref": "refs/heads/main", "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
  "after": "4d2ab4e76d0d405d17d1a0f2b8a6071394e3ab40", "created": false, "deleted": false,
  "forced": false, "base_ref": null,
  "repository": {"id": 35129377, "name": "site", "full_name": "team/site", "private": false,
    "html_url": "https://github.com/team/site", "git_url": "git://github.com/team/site.git",
    "ssh_url": "git@github.com:team/site.git", "clone_url": "https://github.com/team/site.git",
    "default_branch": "main", "pushed_at": 1767225600},
  "pusher": {"name": "ada", "email": "ada@example.com"},
  "head_commit": {"id": "4d2ab4e76d0d405d17d1a0f2b8a6071394e3ab40", "message": "Edit"},
  "commits": []})";

inline const std::string kGitHubPing = R"({"zen": "Design for failure.", "hook_id": 30,
  "hook": {"type": "Repository", "events": ["push"], "config": {"content_type": "json"}},
  "repository": {"clone_url": "https://github.com/team/site.git"}})";

inline const std::string kGitHubPackage = R"({"action": "published",
  "package": {"id": 7, "name": "base", "namespace": "team", "ecosystem": "CONTAINER",
    "package_type": "CONTAINER", "html_url": "https://github.com/orgs/team/packages/7",
    "package_version": {"id": 8, "version": "sha256:1111", "name": "sha256:1111",
      "container_metadata": {"tag": {"name": "1.27", "digest": "sha256:1111"},
        "labels": {}, "manifest": {}},
      "package_url": "ghcr.io/team/base:1.27"},
    "registry": {"name": "GitHub CONTAINER registry", "type": "CONTAINER",
      "url": "https://ghcr.io/team", "vendor": "GitHub Inc"}},
  "repository": {"clone_url": "https://github.com/team/base.git"}})";

inline const std::string kGitLabPush = R"({"object_kind": "push", "event_name": "push",
  "before": "95790bf891e76fee5e1747ab589903a6a1f80f22",
  "after": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", "ref": "refs/heads/main",
  "checkout_sha": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", "user_name": "Ada", "project_id": 15,
  "project": {"id": 15, "name": "site", "web_url": "https://gitlab.example.com/team/site",
    "git_ssh_url": "git@gitlab.example.com:team/site.git",
    "git_http_url": "https://gitlab.example.com/team/site.git", "default_branch": "main",
    "path_with_namespace": "team/site"},
  "repository": {"name": "site", "url": "git@gitlab.example.com:team/site.git"},
  "commits": [], "total_commits_count": 1})";

inline const std::string kGiteaPush = R"({"ref": "refs/heads/main",
  "before": "28e1879d029cb852e4844d9c718537df08844e03",
  "after": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "compare_url": "https://gitea.example.com/team/site/compare/28e18...bffeb", "commits": [],
  "repository": {"id": 140, "name": "site", "full_name": "team/site",
    "html_url": "https://gitea.example.com/team/site",
    "ssh_url": "ssh://git@gitea.example.com:2222/team/site.git",
    "clone_url": "https://gitea.example.com/team/site.git", "default_branch": "main"},
  "pusher": {"id": 1, "login": "ada"}, "sender": {"id": 1, "login": "ada"}})";

inline const std::string kGiteaCreate = R"({"sha": "bffeb74224043ba2feb48d137756c8a9331c449a",
  "ref": "v1.2.0", "ref_type": "tag",
  "repository": {"clone_url": "https://gitea.example.com/team/site.git"}})";

inline const std::string kBitbucketCloud = R"({"actor": {"display_name": "Ada"},
  "repository": {"type": "repository", "full_name": "team/site", "name": "site", "scm": "git",
    "links": {"self": {"href": "https://api.bitbucket.org/2.0/repositories/team/site"},
      "html": {"href": "https://bitbucket.org/team/site"}}},
  "push": {"changes": [
    {"new": {"type": "branch", "name": "main", "target": {"hash": "709d658dc5b6"}},
     "old": {"type": "branch", "name": "main", "target": {"hash": "1e65c05c1d5171"}},
     "created": false, "closed": false, "forced": false},
    {"new": null, "old": {"type": "tag", "name": "v0.9"}, "created": false, "closed": true}]}})";

inline const std::string kBitbucketServer = R"({"eventKey": "repo:refs_changed",
  "date": "2026-01-01T00:00:00+0000", "actor": {"name": "ada"},
  "repository": {"slug": "site", "id": 84, "name": "site", "scmId": "git",
    "project": {"key": "TEAM", "id": 1, "name": "Team"},
    "links": {"clone": [
        {"href": "ssh://git@bitbucket.example.com:7999/team/site.git", "name": "ssh"},
        {"href": "https://ada@bitbucket.example.com/scm/team/site.git", "name": "http"}],
      "self": [{"href": "https://bitbucket.example.com/projects/TEAM/repos/site/browse"}]}},
  "changes": [{"ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"},
    "refId": "refs/heads/main", "fromHash": "ecddabb624f6f5ba43816f5926e580a5f680a932",
    "toHash": "178864a7d521b6f5e720b386b2c2b0ef8563e0dc", "type": "UPDATE"}]})";

inline const std::string kDistributionPush = R"({"events": [
  {"id": "320678d8-ca14-430f-8bb6-4ca139cd83f7", "timestamp": "2026-01-01T00:00:00Z",
   "action": "push",
   "target": {"mediaType": "application/vnd.oci.image.index.v1+json", "size": 708,
     "digest": "sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf",
     "length": 708, "repository": "team/base",
     "url": "http://registry.internal:5000/v2/team/base/manifests/sha256:fea8895f", "tag": "1.27"},
   "request": {"id": "6df24a34", "addr": "192.168.64.11:42961", "host": "registry.example.com",
     "method": "PUT", "useragent": "crane"},
   "actor": {}, "source": {"addr": "xtal.local:5000", "instanceID": "a53db899"}},
  {"id": "420678d8", "action": "push",
   "target": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:aa",
     "repository": "team/base", "url": "http://registry.internal:5000/v2/team/base/manifests/sha256:aa"},
   "request": {"host": "registry.example.com"}},
  {"id": "520678d8", "action": "pull",
   "target": {"repository": "team/other", "tag": "1"}, "request": {"host": "registry.example.com"}}]})";

inline const std::string kHarborPush = R"({"type": "PUSH_ARTIFACT", "occur_at": 1767225600,
  "operator": "admin", "event_data": {"resources": [{"digest": "sha256:8a9e9863",
      "tag": "1.27", "resource_url": "harbor.example.com/team/base:1.27"}],
    "repository": {"date_created": 1767225600, "name": "base", "namespace": "team",
      "repo_full_name": "team/base", "repo_type": "private"}}})";

inline const std::string kHarborCloudEvent = R"({"specversion": "1.0", "id": "66e18103",
  "requestid": "46c7cbf8", "source": "/projects/1/webhook/policies/15",
  "type": "harbor.artifact.pushed", "datacontenttype": "application/json",
  "time": "2026-01-01T00:00:00Z", "operator": "harbor-jobservice",
  "data": {"resources": [{"digest": "sha256:954b378c", "tag": "1.27",
      "resource_url": "harbor.example.com/team/base:1.27"}],
    "repository": {"name": "base", "namespace": "team", "repo_full_name": "team/base"}}})";

inline const std::string kQuayPush = R"({"name": "base", "repository": "team/base",
  "namespace": "team", "docker_url": "quay.io/team/base",
  "homepage": "https://quay.io/repository/team/base", "updated_tags": ["1.27", "latest"]})";

}  // namespace kiln::hooks::bodies
