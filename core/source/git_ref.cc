#include "core/source/git_ref.h"

#include <algorithm>

#include "core/base/choices.h"
#include "core/base/nearest.h"
#include "core/base/redact.h"
#include "core/source/semver.h"

namespace kiln::source {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::string_view kBranches = "refs/heads/";
constexpr std::string_view kTags = "refs/tags/";

/// git-check-ref-format(1), and no "-" in front.
bool is_ref_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || name == "@") return false;
  if (name[0] == '-' || name[0] == '/' || name[0] == '.') return false;
  if (name.back() == '/' || name.back() == '.') return false;
  for (const std::string_view pair : {"..", "//", "/.", "@{", ".lock/"})
    if (name.find(pair) != name.npos) return false;
  if (name.ends_with(".lock")) return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f ||
           std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
  });
}

Error not_a_name(std::string_view field, std::string_view what) {
  return {Errc::kInvalid, std::string(field) + " must be " + std::string(what) +
                              ", without spaces, '..' and the signs ~ ^ : ? * [, and not starting "
                              "with '-' or '.'"};
}

/// A name of the server's, for a message or a status.
std::string shown(std::string_view name) {
  return sanitize_server_text(name, kMaxNameBytes);
}

}  // namespace

bool is_object_id(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string object_digest(const std::string& object_id) {
  return (object_id.size() == 64 ? "sha256:" : "sha1:") + object_id;
}

Result<void> check_git_ref(const GitRef& ref) {
  for (const auto& [field, value] :
       {std::pair("branch", &ref.branch), std::pair("tag", &ref.tag)}) {
    if (value->starts_with("refs/"))
      return Error(Errc::kInvalid,
                   std::string(field) + " must be the short name; a full one goes into name");
    if (!value->empty() && !is_ref_name(*value))
      return not_a_name(field, std::string("a ") + field + " as git names it");
  }
  if (!ref.name.empty() && (!ref.name.starts_with("refs/") || !is_ref_name(ref.name)))
    return not_a_name("name", "the full name of a reference, such as refs/heads/main");
  if (!ref.commit.empty() && !is_object_id(ref.commit))
    return Error(Errc::kInvalid,
                 "commit must be a whole commit id in lower case: the 40 hexadecimal digits that "
                 "git rev-parse prints");
  if (ref.semver.empty()) return {};
  const auto range = VersionRange::parse(ref.semver);
  if (!range) return Error(range.error()).while_doing("semver");
  return {};
}

bool may_follow(const GitRef& ref, std::string_view name) {
  if (!ref.commit.empty()) return false;
  if (name.empty()) return true;
  if (!ref.name.empty()) return name == ref.name;
  if (!ref.semver.empty()) return name.starts_with(kTags);
  if (!ref.tag.empty()) return name == std::string(kTags) + ref.tag;
  if (!ref.branch.empty()) return name == std::string(kBranches) + ref.branch;
  return name.starts_with(kBranches) || name == "HEAD";
}

std::string GitRevision::str() const {
  return (label.empty() ? "" : label + "@") + object_digest(commit);
}

std::string commit_of_revision(std::string_view revision, std::string_view branch) {
  if (!revision.starts_with(branch) || !revision.substr(branch.size()).starts_with("@")) return "";
  const auto digest = revision.substr(branch.size() + 1);
  std::string commit(digest.substr(std::min(digest.find(':') + 1, digest.size())));
  return is_object_id(commit) && object_digest(commit) == digest ? commit : "";
}

RefListing listing_for(const GitRef& ref) {
  if (!ref.commit.empty()) return RefListing::kNothing;
  if (!ref.name.empty()) return RefListing::kEverything;
  if (!ref.semver.empty() || !ref.tag.empty()) return RefListing::kTags;
  return ref.branch.empty() ? RefListing::kDefaultBranch : RefListing::kBranches;
}

RemoteRefs RemoteRefs::parse(std::string_view text) {
  constexpr std::string_view kSymref = "ref: ";
  constexpr std::string_view kPeeled = "^{}";
  RemoteRefs refs;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto tab = line.find('\t');
    if (tab == line.npos) continue;
    const auto value = line.substr(0, tab);
    auto name = line.substr(tab + 1);
    if (value.starts_with(kSymref) && name == "HEAD") {
      const auto target = value.substr(kSymref.size());
      if (target.starts_with(kBranches) && is_ref_name(target)) refs.default_branch_ = target;
      continue;
    }
    if (!is_object_id(value)) continue;
    Ref ref{std::string(value), name.ends_with(kPeeled)};
    if (ref.peeled) name.remove_suffix(kPeeled.size());
    refs.refs_.emplace_back(name, std::move(ref));
  }
  // Of two lines for one name the peeled one is first and so the one that is found.
  std::stable_sort(refs.refs_.begin(), refs.refs_.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.peeled > b.second.peeled;
  });
  return refs;
}

const std::string* RemoteRefs::object_of(std::string_view name) const {
  const auto found =
      std::lower_bound(refs_.begin(), refs_.end(), name,
                       [](const auto& one, auto wanted) { return one.first < wanted; });
  return found == refs_.end() || found->first != name ? nullptr : &found->second.object;
}

/// "; there is main, next and 7 more", the most similar first; nothing for a full name.
std::string RemoteRefs::others(std::string_view prefix, std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& [full, ref] : refs_) {
    if (prefix.empty() || !full.starts_with(prefix)) continue;
    auto one = shown(std::string_view(full).substr(prefix.size()));
    if (names.empty() || names.back() != one) names.push_back(std::move(one));
  }
  if (names.empty()) return "";
  sort_by_likeness(names, name);
  return "; there is " + some_of(names);
}

Result<GitRevision> RemoteRefs::find_named(std::string_view prefix, const std::string& name,
                                           std::string_view noun) const {
  const auto* object = object_of(std::string(prefix) + name);
  if (object == nullptr)
    return Error(Errc::kNotFound,
                 "there is no " + std::string(noun) + " " + shown(name) + others(prefix, name));
  GitRevision revision;
  revision.commit = *object;
  revision.label = name;
  if (prefix == kBranches) revision.branch = name;
  if (prefix == kTags) revision.tag = name;
  return revision;
}

Result<GitRevision> RemoteRefs::find_default() const {
  const auto* head = object_of("HEAD");
  if (head == nullptr)
    return Error(Errc::kNotFound,
                 "the repository has no default branch (its HEAD leads nowhere): push one, or "
                 "write the branch under ref");
  GitRevision revision;
  revision.commit = *head;
  if (!default_branch_.empty()) revision.branch = shown(default_branch_.substr(kBranches.size()));
  revision.label = revision.branch.empty() ? "HEAD" : revision.branch;
  return revision;
}

Result<GitRevision> RemoteRefs::find(const GitRef& ref) const {
  if (!ref.commit.empty()) {
    GitRevision revision;
    revision.commit = ref.commit;
    return revision;
  }
  if (!ref.name.empty()) return find_named("", ref.name, "reference");
  if (ref.semver.empty() && !ref.tag.empty()) return find_named(kTags, ref.tag, "tag");
  if (ref.semver.empty() && !ref.branch.empty()) return find_named(kBranches, ref.branch, "branch");
  if (ref.semver.empty()) return find_default();

  const auto range = VersionRange::parse(ref.semver);
  if (!range) return range.error();
  std::vector<std::string> tags;
  for (const auto& [name, object] : refs_)
    if (name.starts_with(kTags) && is_ref_name(name)) tags.push_back(name.substr(kTags.size()));
  const auto tag = highest_tag(*range, tags);
  if (!tag) return Error(Errc::kNotFound, "no tag is a version in the range " + ref.semver);
  return find_named(kTags, *tag, "tag");
}

}  // namespace kiln::source
