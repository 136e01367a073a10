#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/source/git_program.h"
#include "core/source/git_session.h"

namespace kiln::source {

/// One line of a tree, directories followed.
struct GitTreeEntry {
  enum class Kind { kFile, kExecutable, kSymlink, kSubmodule };
  std::string path;  ///< Bytes, as the repository has them: not checked in any way.
  Kind kind = Kind::kFile;
  std::string object;  ///< Id of a blob; of a submodule's commit.
};

/// A bare repository of ours, shallow and perhaps partial: read object by object, never checked
/// out. Blocking: for the WorkPool. Only one at a time may create or fetch; any number may read.
/// Errors of all calls: kCorrupt when the repository is broken (see run_local_git), kTimeout,
/// kCancelled after the stop.
class GitRepository {
 public:
  /// Lifetime: copies what it is given.
  GitRepository(GitProgram program, std::filesystem::path path, std::stop_token stop)
      : program_(std::move(program)), path_(std::move(path)), stop_(std::move(stop)) {}

  /// Makes it unless it is there; removes what a crash has left. `long_ids`: for SHA-256 ids.
  [[nodiscard]] Result<void> prepare(bool long_ids) const;

  [[nodiscard]] Result<bool> has_commit(const std::string& commit) const;

  /// Fetches a commit with its trees, and with its files unless `without_files`. What is there
  /// already is not sent again. Answers how many bytes the packs have that came. Errors: those of
  /// GitSession::run().
  [[nodiscard]] Result<std::uint64_t> fetch(const GitSession& session, const std::string& commit,
                                            bool without_files) const;
  /// Fetches those of `objects` that are not there, all at once. Answer and errors: as fetch().
  [[nodiscard]] Result<std::uint64_t> fetch_missing(const GitSession& session,
                                                    const std::vector<std::string>& objects) const;

  /// When it was committed, in seconds since 1970. Errors: kInvalid for what is no commit.
  [[nodiscard]] Result<std::int64_t> commit_time(const std::string& commit) const;
  /// The tree that is the directory `path` ("" = the whole) of `commit`. Errors: kNotFound;
  /// kInvalid when a part of the path is a file, a symlink (never followed) or a submodule.
  [[nodiscard]] Result<std::string> tree_at(const std::string& commit,
                                            const std::string& path) const;
  /// The blob of a regular file at the root of `commit`; "" = there is none.
  [[nodiscard]] Result<std::string> file_at_root(const std::string& commit,
                                                 const std::string& name) const;
  /// All files below a tree, in git's order. Errors: kInvalid beyond `limit`.
  [[nodiscard]] Result<std::vector<GitTreeEntry>> list(const std::string& tree,
                                                       std::size_t limit) const;

  /// The sizes of blobs, in the same order; nullopt: it is not there. Errors: kCorrupt also where
  /// one is no blob.
  [[nodiscard]] Result<std::vector<std::optional<std::uint64_t>>> sizes(
      const std::vector<std::string>& blobs) const;

  /// Reads blobs of at most `limit_bytes` each, one after the other: `take` is called for each, in
  /// order. Errors: kInvalid for a larger one; those of `take`, which end the reading.
  using Take = std::function<Result<void>(std::size_t index, std::string bytes)>;
  [[nodiscard]] Result<void> read(const std::vector<std::string>& blobs, std::size_t limit_bytes,
                                  Take take) const;

  /// The submodules that .gitmodules says there are: its settings, "submodule.x.url" say, in order.
  /// Errors: kInvalid when it is none.
  using Settings = std::vector<std::pair<std::string, std::string>>;
  [[nodiscard]] Result<Settings> read_gitmodules(const std::string& blob) const;

 private:
  Command command(const std::vector<std::string>& arguments) const;
  Result<void> make(bool long_ids) const;
  void remove_leftovers() const;
  Error failed_fetch(Error error) const;
  std::pair<std::size_t, std::uint64_t> packs() const;  ///< How many, and their bytes.
  void forget_old_commits() const;
  Result<void> compact() const;

  GitProgram program_;
  std::filesystem::path path_;
  std::stop_token stop_;
};

}  // namespace kiln::source
