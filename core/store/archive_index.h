#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "core/base/file.h"
#include "core/layer/tar_reader.h"
#include "core/store/layout_files.h"

namespace kiln::store {

/// The files in a tar by name. The tar is gone through once: of a plain one only the headers are
/// read and the files stay where they are; the files of a compressed one are unpacked into one
/// nameless file. Nothing is written under a name of the tar's.
///
/// Of entries with one name the last one counts. Links are followed inside the tar, as
/// `docker save` makes them ("../ID/layer.tar"). Limits: 100 000 entries, 64 MiB of names; of a
/// compressed tar also 64 GiB unpacked, and those of layer::ReadLimits.
/// Threads: any number at once.
class ArchiveIndex final : public LayoutFiles {
 public:
  /// `spool_dir` "" = $TMPDIR or /tmp. Blocking: for the WorkPool.
  /// Errors: as errno_error; those of layer::TarReader.
  [[nodiscard]] static Result<std::shared_ptr<const ArchiveIndex>> open(
      const std::filesystem::path& file, const std::string& spool_dir);
  /// The same of an open file; `name` is for messages.
  [[nodiscard]] static Result<std::shared_ptr<const ArchiveIndex>> of(UniqueFd file,
                                                                      std::string name,
                                                                      const std::string& spool_dir);

  std::string shown(const std::string& path) const override;
  Result<File> open(const std::string& path) const override;
  bool has(const std::string& path) const { return nodes_.contains(path); }

 private:
  struct Node {
    layer::EntryKind kind = layer::EntryKind::kDirectory;
    std::string link_target{};
    bool spooled = false;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
  };

  ArchiveIndex(UniqueFd file, std::string name)
      : file_(std::make_shared<const UniqueFd>(std::move(file))), name_(std::move(name)) {}
  Result<void> read(const std::string& spool_dir);
  Result<void> take(layer::TarReader& reader, const layer::TarEntry& found,
                    const std::string& spool_dir);
  Result<void> spool(layer::TarReader& reader, Node& node, const std::string& spool_dir);

  std::shared_ptr<const UniqueFd> file_;
  std::shared_ptr<const UniqueFd> spool_;  ///< Null: nothing was unpacked.
  std::uint64_t spool_bytes_ = 0;
  std::string name_;
  std::map<std::string, Node> nodes_;
};

}  // namespace kiln::store
