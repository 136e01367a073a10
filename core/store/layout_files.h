#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/io.h"

namespace kiln::store {

/// The files of a layout by name, wherever they are: in a folder, in a tar.
/// Threads: any number at once. Blocking: for the WorkPool.
class LayoutFiles {
 public:
  struct File {
    std::unique_ptr<ByteSource> source;  ///< Lifetime: keeps what it reads open.
    std::uint64_t size_bytes = 0;
  };

  virtual ~LayoutFiles() = default;
  /// `path` for messages: "DIR/index.json", "index.json in FILE".
  virtual std::string shown(const std::string& path) const = 0;
  /// Opens a regular file; `path` is relative, such as "blobs/sha256/…". Errors: kNotFound,
  /// kDenied, kInvalid for what is no regular file or leads out of the layout.
  [[nodiscard]] virtual Result<File> open(const std::string& path) const = 0;
};

/// The whole file. Errors: those of open(); kInvalid when it is larger than `limit_bytes`.
[[nodiscard]] Result<std::string> read_small_file(const LayoutFiles& files, const std::string& path,
                                                  std::uint64_t limit_bytes);

}  // namespace kiln::store
