#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/source/git_cache.h"
#include "core/source/git_lfs.h"
#include "core/source/git_repository.h"
#include "core/source/ignore_rules.h"

namespace kiln::source {

/// One repository of a content entry: the one that was asked for, or a submodule of it.
struct GitPart {
  std::shared_ptr<const GitServer> server;
  std::string commit;
  std::string prefix{};    ///< Where its tree goes in the content; "" = at the root.
  std::string sub_path{};  ///< The directory of it that is taken.
  std::size_t depth = 0;   ///< How many repositories it is below the one that was asked for.

  std::shared_ptr<const GitCacheEntry> entry{};
  std::int64_t commit_time = 0;
  std::uint64_t fetched_bytes = 0;   ///< Of packs that came from the server.
  std::vector<GitTreeEntry> tree{};  ///< Paths are those in the content.

  GitPart(std::shared_ptr<const GitServer> s, std::string c)
      : server(std::move(s)), commit(std::move(c)) {}
  GitRepository repository(const GitProgram& program, std::stop_token stop) const {
    return {program, entry->repository(), std::move(stop)};
  }
};

/// A file that is taken, once its size is known, and what must be known of it before it is read.
struct GitFile {
  std::string path;
  GitTreeEntry::Kind kind;
  std::string object;
  std::uint64_t size_bytes = 0;
  std::string link_target{};        ///< Of a symlink.
  std::optional<LfsPointer> lfs{};  ///< What it stands for.
};

// All of these block; their errors are those of GitRepository and GitSession.

/// Gets the repository into the cache, fetches the commit if it is not there, and lists the tree.
/// `without_files`: most of them will not be wanted. Errors: kInvalid beyond `limit`
/// files. After a failure `part.entry` may be there.
[[nodiscard]] Result<void> open_part(GitPart& part, const GitProgram& program,
                                     const GitCache& cache, bool without_files, std::size_t limit,
                                     std::stop_token stop);

/// Adds the .kilnignore files of the part to `rules` and answers them. Errors: kInvalid, naming the
/// file and line.
[[nodiscard]] Result<IgnoreRules> read_ignore_files(GitPart& part, IgnoreRules rules,
                                                    const GitProgram& program,
                                                    std::stop_token stop);

/// The submodules' addresses, by their paths in the repository. Errors: kInvalid.
[[nodiscard]] Result<std::map<std::string, std::string>> read_submodules(GitPart& part,
                                                                         const GitProgram& program,
                                                                         std::stop_token stop);

/// Fetches the blobs of `files` that are not there, in one go, and fills in the rest of each.
/// Errors: kInvalid for a link that is too long, a broken pointer of LFS, more than
/// `content_bytes` in all.
[[nodiscard]] Result<std::vector<GitFile>> complete_files(GitPart& part, std::vector<GitFile> files,
                                                          const GitProgram& program,
                                                          std::stop_token stop);

}  // namespace kiln::source
