#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/sha256.h"
#include "core/layer/entry.h"
#include "core/source/entry_list.h"
#include "core/source/file_checksums.h"
#include "core/source/root_directory.h"

namespace kiln::source {

/// What stands at one path below a root. Small, and with hardly any text of its own: a large folder
/// has a million of them, and of most no more is wanted than whether they changed.
struct FoundPath {
  /// What few have.
  struct Rare {
    std::string link_target{};  ///< Of a symlink as it stands, of a hard link a path.
    std::map<std::string, std::string> xattrs{};
  };

  std::string_view directory;  ///< "" = the root. Kept by the listing, and so is the name.
  std::string_view name;
  layer::EntryKind kind = layer::EntryKind::kFile;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t links = 1;             ///< How many names the file has, seen or not.
  FileVersion version{};               ///< Of a file.
  std::optional<Sha256Sum> sum{};      ///< Of a file's bytes, once they are known.
  std::unique_ptr<const Rare> rare{};  ///< Often null.

  std::string path() const;
};

/// All that was found below a root.
struct DirectoryListing final : EntryList {
  std::shared_ptr<const RootDirectory> root{};
  std::vector<FoundPath> paths{};
  /// The text that `paths` look at.
  std::vector<std::unique_ptr<const std::string>> texts{};
  /// Of a root that is a file: what it is called in its folder, whatever its name is here.
  std::string file_name{};

  /// The bytes of a file. They keep the folder open, and not this.
  layer::FileContent content_of(const FoundPath& found) const;
  [[nodiscard]] Result<std::unique_ptr<ByteSource>> open_content(const FoundPath& found) const;
  std::size_t size() const override { return paths.size(); }
  std::uint64_t content_bytes(std::size_t number) const override {
    return paths[number].kind == layer::EntryKind::kFile ? paths[number].version.size_bytes : 0;
  }
  /// The identity is that of the sum, "" without one.
  layer::Entry entry(std::size_t number) const override;
  void look_at(std::size_t number, EntrySketch& sketch) const override;
  /// The same without its identity.
  void look_at_outside(std::size_t number, EntrySketch& sketch) const;
  /// identity_of() the tree of all entries, without making it. Precondition: every file has a sum.
  std::string identity() const;

 private:
  std::string path_of(const FoundPath& found) const {
    return file_name.empty() ? found.path() : file_name;
  }
};

/// Of several names of one file the first is the file, and the others become hard links to it.
void tell_hard_links(DirectoryListing& listing);

}  // namespace kiln::source
