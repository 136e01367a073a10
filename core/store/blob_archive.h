#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "core/base/io.h"
#include "core/layer/layer.h"

namespace kiln::store {

/// A tar of named blobs, which is made while it is read; its size is known before. Files come by
/// name (bytes), after the folders they are in; all have mode 0644 (folders 0755), owner 0:0 and
/// the time 2020-01-01: equal blobs under equal names give equal bytes. Headers are those of
/// layer::TarWriter. A value.
class BlobArchive {
 public:
  /// `name` is clean and relative. Of two blobs with one name the last one counts.
  void add(const std::string& name, layer::Blob blob) {
    files_.insert_or_assign(name, std::move(blob));
  }

  std::uint64_t size_bytes() const;
  /// Reads front to back; blobs are opened one after the other. Errors: kCorrupt for a blob whose
  /// bytes are not what its descriptor says; those of the blobs. Lifetime: keeps the blobs.
  std::unique_ptr<ByteSource> open() const;

 private:
  std::map<std::string, layer::Blob> files_;
};

/// Can an archive be put at `path`? A file that is there will be replaced; a symlink stays, and
/// what it points to is replaced. Answers the path to write. Errors: kInvalid for something else
/// than a file, kNotFound where its folder is missing.
[[nodiscard]] Result<std::filesystem::path> archive_path(const std::filesystem::path& path);

}  // namespace kiln::store
