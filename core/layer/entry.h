#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/io.h"

namespace kiln::layer {

/// What one line of a layer is.
enum class EntryKind {
  kDirectory,
  kFile,
  kSymlink,
  kHardlink,
  kWhiteout,  ///< Hides `path` of the layers below; becomes ".wh.<name>" in the tar.
  kSpecial,   ///< A device node or FIFO of an image's own layers; content can never have one.
};

/// Which device a kSpecial is. Numbers are 0 for a FIFO.
struct Device {
  enum class Type { kCharacter, kBlock, kFifo } type = Type::kFifo;
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

/// The bytes of a file, openable again and again. Read on the WorkPool.
class FileContent {
 public:
  using Open = std::function<Result<std::unique_ptr<ByteSource>>()>;

  FileContent() = default;
  /// Bytes in memory, shared.
  explicit FileContent(std::shared_ptr<const std::string> bytes);
  /// `open` yields exactly `size_bytes` bytes every time.
  FileContent(std::uint64_t size_bytes, Open open)
      : size_(size_bytes), open_(open ? std::make_shared<const Open>(std::move(open)) : nullptr) {}

  std::uint64_t size_bytes() const { return size_; }
  Result<std::unique_ptr<ByteSource>> open() const;
  /// The bytes where they are in memory already, else nullptr.
  const std::string* in_memory() const { return bytes_.get(); }

 private:
  std::uint64_t size_ = 0;
  std::shared_ptr<const std::string> bytes_;
  std::shared_ptr<const Open> open_;  // Shared by copies: trees of 50,000 files are copied.
};

/// One path of a layer: a value. `path` is clean and relative ("usr/share/nginx/html/index.html").
struct Entry {
  std::string path;
  EntryKind kind = EntryKind::kFile;
  std::uint32_t mode = 0644;  ///< Permission bits with setuid, setgid, sticky (07777).
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string
      link_target{};  ///< Of a symlink (as it stands) or a hard link (a path in this layer).
  FileContent content{};
  /// What the bytes are, for caches and input keys: "sha256:…", "sha1:…" of a git blob. "" =
  /// unknown.
  std::string identity{};
  std::optional<std::int64_t> mtime{};  ///< Seconds; unset = by the layer's timestamp policy.
  std::map<std::string, std::string> xattrs{};  ///< By full name: "security.capability".
  std::optional<Device> device{};               ///< Of a kSpecial.

  Entry(std::string p, EntryKind k) : path(std::move(p)), kind(k) {}
};

}  // namespace kiln::layer
