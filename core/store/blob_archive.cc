#include "core/store/blob_archive.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/entry_path.h"
#include "core/layer/tar_writer.h"
#include "core/oci/verifying_source.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBlock = 512;

/// Bytes that stand before a blob's in the tar, and the blob.
struct Part {
  std::string bytes{};
  std::optional<layer::Blob> blob{};
};

std::string header_of(const std::string& name, layer::EntryKind kind, std::uint64_t size_bytes) {
  layer::Entry entry(name, kind);
  entry.mode = kind == layer::EntryKind::kDirectory ? 0755 : 0644;
  return layer::tar_header(entry, layer::kEpoch2020, size_bytes);
}

/// The folders above `name` that are not in `seen` yet, outermost first.
std::string folders_above(const std::string& name, std::set<std::string>& seen) {
  std::string headers;
  for (auto slash = name.find('/'); slash != name.npos; slash = name.find('/', slash + 1)) {
    const auto folder = name.substr(0, slash);
    if (seen.insert(folder).second) headers += header_of(folder, layer::EntryKind::kDirectory, 0);
  }
  return headers;
}

std::string padding_after(std::uint64_t size_bytes) {
  return std::string(static_cast<std::size_t>((kBlock - size_bytes % kBlock) % kBlock), '\0');
}

/// The whole tar; what follows a blob begins the next part.
std::vector<Part> parts_of(const std::map<std::string, layer::Blob>& files) {
  std::vector<Part> parts;
  std::set<std::string> folders;
  std::string between;
  for (const auto& [name, blob] : files) {
    const auto size = blob.descriptor().size_bytes;
    Part part;
    part.bytes =
        between + folders_above(name, folders) + header_of(name, layer::EntryKind::kFile, size);
    part.blob = blob;
    parts.push_back(std::move(part));
    between = padding_after(size);
  }
  Part end;
  end.bytes = between + std::string(2 * kBlock, '\0');
  parts.push_back(std::move(end));
  return parts;
}

class ArchiveSource final : public ByteSource {
 public:
  explicit ArchiveSource(std::vector<Part> parts) : parts_(std::move(parts)) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    while (part_ < parts_.size() && !buffer.empty()) {
      auto count = read_part(buffer);
      if (!count) return std::move(count).error();
      if (*count > 0) return count;
      ++part_;
      done_ = 0;
      blob_.reset();
    }
    return std::size_t{0};
  }

 private:
  /// 0 = the part's end.
  Result<std::size_t> read_part(std::span<char> buffer) {
    const auto& part = parts_[part_];
    if (done_ < part.bytes.size()) {
      const auto count = std::min(buffer.size(), part.bytes.size() - done_);
      std::memcpy(buffer.data(), part.bytes.data() + done_, count);
      done_ += count;
      return count;
    }
    if (!part.blob) return std::size_t{0};
    if (!blob_) {
      auto opened = part.blob->open();
      if (!opened) return std::move(opened).error();
      blob_ = std::make_unique<oci::VerifyingSource>(std::move(*opened), part.blob->descriptor());
    }
    return blob_->read(buffer);
  }

  std::vector<Part> parts_;
  std::size_t part_ = 0;
  std::size_t done_ = 0;  // Of the part's own bytes.
  std::unique_ptr<ByteSource> blob_;
};

}  // namespace

std::uint64_t BlobArchive::size_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& part : parts_of(files_))
    sum += part.bytes.size() + (part.blob ? part.blob->descriptor().size_bytes : 0);
  return sum;
}

std::unique_ptr<ByteSource> BlobArchive::open() const {
  return std::make_unique<ArchiveSource>(parts_of(files_));
}

Result<fs::path> archive_path(const fs::path& path) {
  std::error_code error;
  const auto found = fs::status(path, error);
  if (fs::exists(found)) {
    if (!fs::is_regular_file(found))
      return Error(Errc::kInvalid,
                   path.string() + " is not a regular file; name a new file or one to replace");
    auto real = fs::canonical(path, error);
    return error ? path : real;
  }
  const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, error))
    return Error(Errc::kNotFound,
                 "cannot write " + path.string() + ": there is no folder " + folder.string());
  return path;
}

}  // namespace kiln::store
