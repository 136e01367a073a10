#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/http/client.h"
#include "core/layer/entry.h"
#include "core/source/git_session.h"

namespace kiln::source {

/// What stands in a repository in the place of a file that LFS keeps.
struct LfsPointer {
  std::string id{};  ///< SHA-256 of the file, 64 hexadecimal digits.
  std::uint64_t size_bytes = 0;

  friend auto operator<=>(const LfsPointer&, const LfsPointer&) = default;
};

/// Files of other sizes are no pointers. Source: git-lfs docs/spec.md, "The Pointer".
inline constexpr std::uint64_t kMinPointerBytes = 100;
inline constexpr std::uint64_t kMaxPointerBytes = 1024;

/// nullopt: the text is no pointer. Errors: kInvalid for one that is broken, kUnsupported for one
/// with extensions.
[[nodiscard]] Result<std::optional<LfsPointer>> parse_lfs_pointer(std::string_view text);

/// Brings the files of LFS into a folder, each under its id; those that are there are not asked
/// for. Checked to be what their ids say before they are there.
///
/// The server is the repository's own, "<url>.git/info/lfs"; what the repository itself says
/// (.lfsconfig) is not followed. Credentials go to that server alone; an address that it names for
/// a file gets what the server's answer says, must be https unless the server itself is http, and
/// passes the egress policy as an address that another server has named.
///
/// Source: git-lfs docs/api/batch.md and basic-transfers.md.
/// Threads: the I/O executor. Lifetime: `http` and `pool` outlive it.
class LfsClient {
 public:
  LfsClient(http::Client& http, WorkPool& pool, GitLimits limits)
      : http_(http), pool_(pool), limits_(limits) {}

  /// Answers how many bytes came. Errors: kUnsupported for ssh; kNotFound for a file that the
  /// server does not have; kInvalid for one that is too large or not what its id says;
  /// kUnauthorized, kDenied; those of http::Client. Cancellation: at any point.
  [[nodiscard]] Task<Result<std::uint64_t>> fetch(std::shared_ptr<const GitServer> server,
                                                  std::vector<LfsPointer> files,
                                                  std::filesystem::path folder);

 private:
  struct Download;
  Task<Result<std::vector<Download>>> ask(std::shared_ptr<const GitServer> server,
                                          std::vector<LfsPointer> files);
  Task<Result<void>> download(std::shared_ptr<const GitServer> server, Download what,
                              std::filesystem::path folder);

  http::Client& http_;
  WorkPool& pool_;
  GitLimits limits_;
};

/// A file that LfsClient::fetch() has brought. Keeps `keeper` alive.
layer::FileContent lfs_content(const std::filesystem::path& folder, const LfsPointer& file,
                               std::shared_ptr<const void> keeper);

}  // namespace kiln::source
