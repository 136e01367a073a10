#include "core/source/git_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>
#include <vector>

#include "core/base/encoding.h"
#include "core/base/sha256.h"
#include "core/source/git_ref.h"

namespace kiln::source {
namespace {

namespace fs = std::filesystem;
using Mode = FileLock::Mode;

constexpr std::chrono::seconds kUseLimit{60};  // Whoever removes an entry is quick.
constexpr const char* kInUse = "in-use";
constexpr const char* kWriting = "writing";
constexpr const char* kSuspect = "suspect";
constexpr std::string_view kTrash = "trash-";
constexpr std::size_t kSaltBytes = 32;

std::string random_hex(std::size_t bytes) {
  std::random_device random;
  std::string text(bytes, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return to_hex(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

Result<void> make_private_folder(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return errno_error(errno, "cannot make", path);
}

Result<std::string> read_or_make_salt(const fs::path& path) {
  auto salt = read_file(path, 2 * kSaltBytes);
  if (salt && salt->size() == 2 * kSaltBytes) return salt;
  const auto made = random_hex(kSaltBytes);
  KILN_TRY(write_file_atomically(path, made, 0600));
  return made;
}

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (auto at = fs::recursive_directory_iterator(folder, ignored);
       at != fs::recursive_directory_iterator(); at.increment(ignored)) {
    struct stat info {};
    if (::lstat(at->path().c_str(), &info) == 0)
      bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

struct Candidate {
  fs::path path;
  std::int64_t used = 0;  ///< Seconds.
  std::uint64_t bytes = 0;
};

}  // namespace

Result<FileLock> GitCacheEntry::lock_for_writing(std::chrono::milliseconds limit,
                                                 std::stop_token stop) const {
  return FileLock::take(folder_ / kWriting, Mode::kExclusive, limit, std::move(stop),
                        "another fetch of this repository");
}

/// Names of branches may be anything, also paths.
fs::path GitCacheEntry::branch_file(const std::string& branch) const {
  return folder_ / ("branch-" + sha256_hex(branch));
}

std::string GitCacheEntry::last_commit(const std::string& branch) const {
  const auto commit = read_file(branch_file(branch), 64);
  return commit && is_object_id(*commit) ? *commit : "";
}

void GitCacheEntry::remember_commit(const std::string& branch, const std::string& commit) const {
  // Without it a warning may be missing, the next time.
  (void)write_file_atomically(branch_file(branch), commit, 0600);
}

void GitCacheEntry::suspect() const {
  // Without the mark the next one finds out by itself, a little later.
  (void)write_file_atomically(folder_ / kSuspect, "", 0600);
}

bool GitCacheEntry::is_suspected() const {
  std::error_code ignored;
  return fs::exists(folder_ / kSuspect, ignored);
}

Result<void> GitCacheEntry::renew() const {
  std::error_code failed;
  fs::remove_all(repository(), failed);
  if (failed) return errno_error(failed.value(), "cannot remove", repository());
  fs::remove(folder_ / kSuspect, failed);
  return {};
}

Result<std::unique_ptr<GitCache>> GitCache::open(fs::path folder, std::uint64_t limit_bytes) {
  KILN_TRY(make_private_folder(folder));
  auto salt = read_or_make_salt(folder / "salt");
  if (!salt) return std::move(salt).error();
  return std::unique_ptr<GitCache>(new GitCache(std::move(folder), limit_bytes, std::move(*salt)));
}

std::string GitCache::key(const GitUrl& url, const GitCredentials& who, bool long_ids) const {
  const auto mac =
      hmac_sha256(salt_, url.str() + (long_ids ? " sha256 " : " sha1 ") + who.fingerprint());
  return to_hex(std::span(mac).first(16));
}

Result<std::shared_ptr<GitCacheEntry>> GitCache::use(const std::string& key,
                                                     std::stop_token stop) const {
  const auto folder = folder_ / key;
  for (;;) {
    KILN_TRY(make_private_folder(folder));
    auto lock = FileLock::take(folder / kInUse, Mode::kShared, kUseLimit, stop,
                               "the cache of this repository");
    // Removed in between.
    if (!lock && lock.error().code == Errc::kNotFound) continue;
    if (!lock) return std::move(lock).error();
    ::utimensat(AT_FDCWD, (folder / kInUse).c_str(), nullptr, 0);
    return std::make_shared<GitCacheEntry>(folder, std::move(*lock));
  }
}

bool GitCache::remove_unused(const fs::path& entry) const {
  auto lock = FileLock::try_take(entry / kInUse, Mode::kExclusive);
  if (!lock || !*lock) return false;
  // Aside first: a crash leaves no half of an entry behind.
  const auto trash = folder_ / (std::string(kTrash) + random_hex(8));
  std::error_code failed;
  fs::rename(entry, trash, failed);
  if (!failed) fs::remove_all(trash, failed);
  return !failed;
}

void GitCache::trim() const {
  std::vector<Candidate> entries;
  std::uint64_t total = 0;
  std::error_code ignored;
  for (auto at = fs::directory_iterator(folder_, ignored); at != fs::directory_iterator();
       at.increment(ignored)) {
    const auto& path = at->path();
    if (path.filename().string().starts_with(kTrash)) {
      std::error_code failed;
      fs::remove_all(path, failed);
      continue;
    }
    struct stat info {};
    if (::lstat((path / kInUse).c_str(), &info) != 0) continue;
    entries.push_back({path, info.st_mtime, bytes_below(path)});
    total += entries.back().bytes;
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.used < b.used; });
  for (const auto& entry : entries) {
    if (total <= limit_bytes_) return;
    if (remove_unused(entry.path)) total -= entry.bytes;
  }
}

}  // namespace kiln::source
