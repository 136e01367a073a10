#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/layer/file_tree.h"

namespace kiln::source {

class EntryList;
class LateIdentity;

/// Which commit content is of, for tags and timestamps.
struct CommitFacts {
  std::string commit{};   ///< Its object id.
  std::string branch{};   ///< The branch that was followed, "" = none.
  std::string tag{};      ///< The tag that was followed, "" = none.
  std::int64_t time = 0;  ///< When it was committed, in seconds since 1970.
};

/// Content that was read before by the same request: while the source still stands for this
/// revision nothing has to be read, see Content::unread.
struct KnownContent {
  std::string revision{};
  std::string identity{};
};

using TakeEntry = std::function<Result<void>(layer::Entry entry)>;

/// Content that was fetched: a tree relative to where it will be put, and what exactly it is.
struct Content {
  layer::FileTree tree{};
  std::string revision{};  ///< For people: "main@sha1:…" or a resourceVersion.
  std::string identity{};  ///< For the input key: equal trees have equal identities.
  /// Paths that the content deletes (a tar's whiteouts), relative like the tree's.
  std::vector<std::string> removed{};
  /// Directories whose content below it deletes (a tar's opaque directories); "" = all of it.
  std::vector<std::string> emptied{};
  std::optional<CommitFacts> commit{};  ///< Of content from git.
  std::vector<std::string> warnings{};  ///< What whoever takes it should hear of.
  /// `tree` was not read, because it is known already (see KnownContent): `identity` and
  /// `revision` say which one it is. No image can be made of it.
  bool unread = false;
  /// In the place of `tree`, where it may never be needed. Shared with who makes trees of it later.
  std::shared_ptr<const EntryList> list{};
  /// Where files are listed and not read yet: `identity` is "", and its finish() tells it. Shared
  /// with the files.
  std::shared_ptr<LateIdentity> late{};
};

/// Somewhere content comes from. Fetching has no effect on the source.
class Source {
 public:
  virtual ~Source() = default;
  /// For messages: "inline files", "git https://…".
  virtual std::string description() const = 0;
  /// Errors: kNotFound, kInvalid (names or modes that no image can hold), and those of the network.
  /// Cancellation: at any point.
  [[nodiscard]] virtual Task<Result<Content>> fetch() = 0;
};

/// Does content have anything in its tree, whether that was made or not?
bool has_entries(const Content& content);
/// All of them, by path. Errors: those of `take`, which ends it.
[[nodiscard]] Result<void> for_each_entry(const Content& content, const TakeEntry& take);

/// Does this identity of a file stand for its bytes, wherever and whenever it was read?
bool is_of_bytes(std::string_view identity);
/// Of a git blob, by its object id in hex.
std::string identity_of_git_blob(std::string_view object_id);

/// SHA-256 over all that a tree says: paths, kinds, modes, owners, targets and the files'
/// identities, xattrs.
std::string identity_of(const layer::FileTree& tree);
/// The same over a tree and what it deletes.
std::string identity_of(const Content& content);

}  // namespace kiln::source
