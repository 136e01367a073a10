#include "core/source/file_checksums.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "core/base/log.h"
#include "core/base/oldest_files.h"
#include "core/base/own_file.h"

namespace kiln::source {
namespace {

namespace fs = std::filesystem;

// A file: this, records, the SHA-256 of all before. A record is a FileChecksum as this machine has
// it in memory: another one, where numbers look different, knows none of the files.
constexpr std::string_view kMagic = "kiln file checksums 2\n";
constexpr std::size_t kRecordBytes = 5 * 8 + 2 * 4 + 32;
constexpr std::size_t kSumBytes = 32;
constexpr std::uint64_t kMaxFileBytes = 256ULL << 20;

static_assert(sizeof(FileChecksum) == kRecordBytes && std::is_trivially_copyable_v<FileChecksum>);

std::string sum_of(std::string_view bytes) {
  const auto sum = sha256(bytes);
  return {sum.begin(), sum.end()};
}

std::uint64_t hash_of(const FileVersion& version) {
  const auto time = static_cast<std::uint64_t>(version.changed_s) ^ version.changed_ns;
  return version.inode ^ (time << 20U);
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
  known.resize(records.size() / kRecordBytes);
  if (!known.empty()) std::memcpy(known.data(), records.data(), records.size());
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return known;
}

void FileChecksums::write(const fs::path& root, const std::vector<FileChecksum>& all) const {
  std::string text(kMagic);
  text.reserve(kMagic.size() + all.size() * kRecordBytes + kSumBytes);
  text.append(reinterpret_cast<const char*>(all.data()), all.size() * kRecordBytes);
  text += sum_of(text);
  if (text.size() > kMaxFileBytes) return;
  const auto written = write_own_file(path_of(root), text);
  if (!written) log::debug("cannot keep checksums of files", {{"error", written.error().message}});
  FolderLimit limit;
  limit.max_bytes = max_bytes_;
  forget_oldest_files(folder_, limit);
}

bool is_older(const FileVersion& version, WallTime moment) {
  const auto seconds = moment.time_since_epoch().count();
  return version.changed_s < seconds && version.modified_s < seconds;
}

const Sha256Sum* ChecksumFinder::find(const FileVersion& version) {
  // One that is gone may stand between.
  for (auto at = next_; at < std::min(next_ + 2, known_.size()); ++at) {
    if (known_[at].version != version) continue;
    next_ = at + 1;
    return &known_[at].sum;
  }
  if (!slots_) make_slots();
  const auto found = slots_->find(hash_of(version),
                                  [&](std::uint32_t at) { return known_[at].version == version; });
  if (found == NumberSlots::kNone) return nullptr;
  next_ = found + 1;
  return &known_[found].sum;
}

void ChecksumFinder::make_slots() {
  slots_.emplace(known_.size());
  for (std::uint32_t i = 0; i < known_.size(); ++i)
    slots_->find_or_add(hash_of(known_[i].version), i,
                        [&](std::uint32_t at) { return known_[at].version == known_[i].version; });
}

}  // namespace kiln::source
