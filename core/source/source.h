#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/layer/file_tree.h"

namespace kiln::source {

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

/// SHA-256 over all that a tree says: paths, kinds, modes, owners, targets and the files'
/// identities, xattrs.
std::string identity_of(const layer::FileTree& tree);
/// The same over a tree and what it deletes.
std::string identity_of(const Content& content);

}  // namespace kiln::source
