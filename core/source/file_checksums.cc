#include "core/source/file_checksums.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/own_file.h"

namespace kiln::source {
namespace {

namespace fs = std::filesystem;

// A file: this, records, the SHA-256 of all before. Numbers are little-endian.
constexpr std::string_view kMagic = "kiln file checksums 1\n";
constexpr std::size_t kRecordBytes = 5 * 8 + 2 * 4 + 32;
constexpr std::size_t kSumBytes = 32;
constexpr std::uint64_t kMaxFileBytes = 256ULL << 20;

void put(std::string& text, std::uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((number >> (8 * i)) & 0xff);
}

/// Takes numbers from the front of a record.
class Fields {
 public:
  explicit Fields(std::string_view record) : rest_(record) {}

  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    rest_.remove_prefix(bytes);
    return value;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

void put(std::string& text, const FileChecksum& file) {
  const auto& version = file.version;
  put(text, version.device, 8);
  put(text, version.inode, 8);
  put(text, version.size_bytes, 8);
  put(text, static_cast<std::uint64_t>(version.modified_s), 8);
  put(text, static_cast<std::uint64_t>(version.changed_s), 8);
  put(text, version.modified_ns, 4);
  put(text, version.changed_ns, 4);
  text.append(file.sum.begin(), file.sum.end());
}

FileChecksum parse(std::string_view record) {
  FileChecksum file;
  Fields fields(record);
  file.version.device = fields.number(8);
  file.version.inode = fields.number(8);
  file.version.size_bytes = fields.number(8);
  file.version.modified_s = static_cast<std::int64_t>(fields.number(8));
  file.version.changed_s = static_cast<std::int64_t>(fields.number(8));
  file.version.modified_ns = static_cast<std::uint32_t>(fields.number(4));
  file.version.changed_ns = static_cast<std::uint32_t>(fields.number(4));
  std::copy(fields.rest().begin(), fields.rest().end(), file.sum.begin());
  return file;
}

bool earlier(const FileChecksum& a, const FileChecksum& b) {
  return a.version < b.version;
}

std::string sum_of(std::string_view bytes) {
  const auto sum = sha256(bytes);
  return {sum.begin(), sum.end()};
}

}  // namespace

FileVersion::FileVersion(const struct stat& info)
    : device(info.st_dev),
      inode(info.st_ino),
      size_bytes(static_cast<std::uint64_t>(info.st_size)),
      modified_s(info.st_mtim.tv_sec),
      changed_s(info.st_ctim.tv_sec),
      modified_ns(static_cast<std::uint32_t>(info.st_mtim.tv_nsec)),
      changed_ns(static_cast<std::uint32_t>(info.st_ctim.tv_nsec)) {}

fs::path FileChecksums::path_of(const fs::path& root) const {
  std::error_code failed;
  const auto absolute = fs::absolute(root, failed).lexically_normal();
  return folder_ / sha256_hex(absolute.string());
}

std::vector<FileChecksum> FileChecksums::read(const fs::path& root) const {
  std::vector<FileChecksum> known;
  const auto path = path_of(root);
  const auto bytes = read_own_file(path, kMaxFileBytes);
  if (!bytes || bytes->size() < kMagic.size() + kSumBytes || !bytes->starts_with(kMagic))
    return known;
  const auto text = std::string_view(*bytes);
  const auto records = text.substr(kMagic.size(), text.size() - kMagic.size() - kSumBytes);
  if (records.size() % kRecordBytes != 0 ||
      text.substr(text.size() - kSumBytes) != sum_of(text.substr(0, text.size() - kSumBytes)))
    return known;
  known.reserve(records.size() / kRecordBytes);
  for (std::size_t at = 0; at < records.size(); at += kRecordBytes)
    known.push_back(parse(records.substr(at, kRecordBytes)));
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return known;
}

void FileChecksums::write(const fs::path& root, std::vector<FileChecksum> all) const {
  std::sort(all.begin(), all.end(), earlier);
  std::string text(kMagic);
  text.reserve(kMagic.size() + all.size() * kRecordBytes + kSumBytes);
  for (const auto& file : all) put(text, file);
  text += sum_of(text);
  if (text.size() > kMaxFileBytes) return;
  std::error_code failed;
  fs::create_directories(folder_, failed);
  const auto written = write_file_atomically(path_of(root), text, 0600);
  if (!written) log::debug("cannot keep checksums of files", {{"error", written.error().message}});
  forget_oldest();
}

void FileChecksums::forget_oldest() const {
  struct Kept {
    fs::file_time_type time;
    std::uint64_t size_bytes;
    fs::path path;
  };
  std::vector<Kept> files;
  std::uint64_t total = 0;
  std::error_code failed;
  for (auto at = fs::directory_iterator(folder_, failed); at != fs::directory_iterator();
       at.increment(failed)) {
    std::error_code gone;
    const auto size = at->file_size(gone);
    if (gone) continue;
    files.push_back(Kept{at->last_write_time(gone), size, at->path()});
    total += size;
  }
  std::sort(files.begin(), files.end(),
            [](const Kept& a, const Kept& b) { return a.time < b.time; });
  for (std::size_t i = 0; i + 1 < files.size() && total > max_bytes_; ++i) {
    fs::remove(files[i].path, failed);
    total -= files[i].size_bytes;
  }
}

bool is_older(const FileVersion& version, WallTime moment) {
  const auto seconds = moment.time_since_epoch().count();
  return version.changed_s < seconds && version.modified_s < seconds;
}

const Sha256Sum* find_checksum(const std::vector<FileChecksum>& known, const FileVersion& version) {
  const auto found = std::lower_bound(
      known.begin(), known.end(), version,
      [](const FileChecksum& file, const FileVersion& wanted) { return file.version < wanted; });
  return found != known.end() && found->version == version ? &found->sum : nullptr;
}

}  // namespace kiln::source
