#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/work_pool.h"
#include "core/source/file_checksums.h"
#include "core/source/ignore_rules.h"
#include "core/source/source.h"

namespace kiln::source {

struct DirectoryOptions {
  /// false: files are 0644, or 0755 where the owner may execute them; directories 0755. That is
  /// what git keeps, and it is the same on every machine whatever its umask. true: permission bits
  /// with setuid, setgid and sticky.
  bool keep_modes = false;
  bool keep_owners = false;  ///< false: 0:0.
  bool keep_xattrs = false;  ///< user.* and security.capability; others are never taken.
  /// Reads every file for its sha256: for an input key. false: Content::identity is "", and the
  /// files' identities hold for this one fetch: enough to recognise a layer within a build, not
  /// across builds.
  bool identities = false;
  /// With identities: where checksums are kept, so that only files are read that are new or were
  /// written to. Shared by sources. null = nowhere.
  std::shared_ptr<const FileChecksums> checksums{};
  /// With identities: no tree is made, but the content gives its entries when it is asked to: for
  /// those who often need no more than its identity.
  bool tree_later = false;
  /// With identities: files that `checksums` does not know are not read now but when they are
  /// packed, see Content::late. Where there are such, no tree is made. Where all are known it says
  /// nothing.
  bool late = false;
  IgnoreRules ignore{};     ///< Besides the .kilnignore files of the tree, which win over it.
  std::string file_name{};  ///< What a root that is a file is called in the tree; "" = its name.
};

/// Content from a folder of this machine, or from one file of it.
///
/// Reads under openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS): nothing
/// outside the folder is ever opened, whatever links are in it or appear meanwhile; mount points in
/// it are followed. Symlinks are kept as they stand. Of the names of one file that are in the tree
/// the first by path is the file, the others are hard links. Devices, sockets and FIFOs are refused
/// by name and never opened; names that begin with ".wh." are refused with the reason.
/// ".kilnignore" files (gitignore syntax, 1 MiB at most) at any level leave paths out and are left
/// out themselves. Names are bytes: not UTF-8 is fine.
///
/// Files are opened when their bytes are wanted, and one that changed since it was listed (size,
/// mtime, inode) is an error of whoever reads it: kConflict, naming it; one that may not be read
/// is kDenied. Memory follows the number of paths; descriptors and stack do not.
class DirectorySource final : public Source {
 public:
  /// `root`: a folder; its content is the tree. A regular file becomes a tree of that one file,
  /// under its own name. A symlink is followed here, and only here: the user named it.
  /// Lifetime: `pool` outlives the source and its contents.
  DirectorySource(std::filesystem::path root, DirectoryOptions options, WorkPool& pool);

  std::string description() const override;
  /// Errors: kNotFound; kDenied; kInvalid for what no layer can hold (see above; also a path of
  /// more than 4095 bytes) and for a bad .kilnignore, with its line; kConflict when the tree
  /// changed while it was listed; kUnsupported without openat2 (Linux 5.6). Cancellation: not while
  /// the tree is listed; while it is hashed every few files.
  Task<Result<Content>> fetch() override;

 private:
  struct Listing;
  using Shared = std::shared_ptr<Listing>;
  Task<Result<Shared>> list();
  Task<Result<bool>> read_known(Shared listing);
  Task<Result<bool>> walk_along(Shared listing);
  static Result<Content> finish(const Shared& listing, const DirectoryOptions& options);
  Task<Result<Content>> make_content(Shared listing);
  Task<Result<Content>> remember_all(Shared listing);
  Content late_content(const Shared& listing) const;
  Task<Result<std::size_t>> identify(Shared listing, std::size_t first, std::size_t end);
  Task<Result<std::size_t>> identify_all(Shared listing);

  std::filesystem::path root_;
  DirectoryOptions options_;
  WorkPool& pool_;
};

}  // namespace kiln::source
