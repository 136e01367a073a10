#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace kiln::source {

/// Which revision of a repository is wanted; "" = not said. Where several are, commit goes before
/// name, name before semver, semver before tag, and tag before branch, as in Flux. None: the
/// server's default branch.
struct GitRef {
  std::string branch{};  ///< Short: "main".
  std::string tag{};     ///< Short: "v1.2.3".
  std::string semver{};  ///< A range of versions that the highest tag is looked for in.
  std::string name{};    ///< In full: "refs/pull/1/head".
  std::string commit{};  ///< A whole object id.

  friend bool operator==(const GitRef&, const GitRef&) = default;
};

/// That all that is said is well formed: names as git-check-ref-format(1) has them, none that a
/// program could take for an option, a commit of 40 or 64 lower-case hexadecimal digits.
/// Errors: kInvalid, naming the field.
[[nodiscard]] Result<void> check_git_ref(const GitRef& ref);

/// Can news of the server's `name` ("refs/heads/main") change what `ref` stands for? `name` "" =
/// it is not known which one was changed.
bool may_follow(const GitRef& ref, std::string_view name);

/// 40 or 64 lower-case hexadecimal digits.
bool is_object_id(std::string_view text);

/// "sha1:…" or "sha256:…": an object id as revisions have it.
std::string object_digest(const std::string& object_id);

/// What a ref stood for when it was asked.
struct GitRevision {
  std::string commit{};  ///< Object id.
  std::string label{};   ///< "main", "v1.2.3", "refs/pull/1/head"; "" where a commit was asked for.
  std::string branch{};  ///< The branch that was followed, else "".
  std::string tag{};     ///< The tag that was followed, else "".

  /// "main@sha1:…", "sha1:…". Source: Flux RFC-0005.
  std::string str() const;
};

/// The commit of "main@sha1:…", if `branch` is "main"; else "".
std::string commit_of_revision(std::string_view revision, std::string_view branch);

/// Which part of a server's refs must be listed to find a GitRef.
enum class RefListing { kNothing, kDefaultBranch, kBranches, kTags, kEverything };
RefListing listing_for(const GitRef& ref);

/// What a server says its refs are. Its names are its own invention: they are compared, shown and
/// never given to a program.
class RemoteRefs {
 public:
  /// Reads the output of `git ls-remote --symref`. Lines that are none are passed over.
  [[nodiscard]] static RemoteRefs parse(std::string_view text);

  /// What `ref` stands for. Errors: kNotFound, naming what is not there; kInvalid for a range that
  /// is none.
  [[nodiscard]] Result<GitRevision> find(const GitRef& ref) const;

 private:
  struct Ref {
    std::string object;  ///< Of an annotated tag: what it stands for in the end.
    bool peeled = false;
  };
  const std::string* object_of(std::string_view name) const;
  Result<GitRevision> find_default() const;
  std::string others(std::string_view prefix, std::string_view name) const;
  Result<GitRevision> find_named(std::string_view prefix, const std::string& name,
                                 std::string_view noun) const;

  std::vector<std::pair<std::string, Ref>> refs_;  ///< By name.
  std::string default_branch_;                     ///< "refs/heads/main"; "" = not said.
};

}  // namespace kiln::source
