#include "core/source/directory_source.h"

#include <algorithm>
#include <random>
#include <string_view>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/gather.h"
#include "core/base/sha256.h"
#include "core/source/directory_walk.h"

namespace kiln::source {

/// What was found, and how far the files are known.
struct DirectorySource::Listing {
  Walked walked{};
  std::vector<FileChecksum> known{};   ///< By earlier runs, of this root.
  std::vector<std::size_t> unknown{};  ///< Which of the entries are to be read.
  WallTime settled_before{};
};

namespace {

// What is hashed in one go on a thread of the pool.
constexpr std::size_t kBatchFiles = 256;
constexpr std::uint64_t kBatchBytes = 64 << 20;
constexpr std::string_view kSha256 = "sha256:";

Result<std::string> identity_of_file(const layer::FileContent& content) {
  auto source = content.open();
  if (source.has_error()) return std::move(source).error();
  auto sum = sha256_hex(**source);
  if (sum.has_error()) return std::move(sum).error();
  return std::string(kSha256) + *sum;
}

/// The checksum in an identity of ours.
Sha256Sum sum_in(const std::string& identity) {
  const auto digit = [&](std::size_t i) {
    const char c = identity[kSha256.size() + i];
    return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
  };
  Sha256Sum sum{};
  for (std::size_t i = 0; i < sum.size(); ++i)
    sum[i] = static_cast<std::uint8_t>(digit(2 * i) << 4 | digit(2 * i + 1));
  return sum;
}

/// Identities that no other fetch has: they are not of the bytes, but one fetch gives the same
/// bytes for each of them every time, or an error.
void number_files(std::vector<layer::Entry>& entries) {
  std::random_device random;
  std::string fetch = "fetch:";
  for (int word = 0; word < 4; ++word) fetch += std::to_string(random()) + ":";
  std::size_t number = 0;
  for (auto& entry : entries)
    if (entry.kind == layer::EntryKind::kFile) entry.identity = fetch + std::to_string(number++);
}

/// Gives the files their identities whose versions are known, and says which are left.
std::vector<std::size_t> recall(Walked& walked, const std::vector<FileChecksum>& known) {
  std::vector<std::size_t> unknown;
  for (std::size_t i = 0; i < walked.entries.size(); ++i) {
    auto& entry = walked.entries[i];
    if (entry.kind != layer::EntryKind::kFile) continue;
    if (const auto* sum = find_checksum(known, walked.versions[i]))
      entry.identity = std::string(kSha256) + to_hex(*sum);
    else
      unknown.push_back(i);
  }
  return unknown;
}

/// Keeps what was found out, unless all of it was known.
void remember(const Walked& walked, const std::vector<FileChecksum>& known,
              const std::vector<std::size_t>& read, WallTime settled_before,
              const std::filesystem::path& root, const FileChecksums& checksums) {
  const auto is_settled = [&](std::size_t i) {
    return is_older(walked.versions[i], settled_before);
  };
  std::vector<FileChecksum> all;
  for (std::size_t i = 0; i < walked.entries.size(); ++i)
    if (walked.entries[i].kind == layer::EntryKind::kFile && is_settled(i))
      all.push_back(FileChecksum{walked.versions[i], sum_in(walked.entries[i].identity)});
  const bool new_ones = std::any_of(read.begin(), read.end(), is_settled);
  if (new_ones || all.size() < known.size() / 2) checksums.write(root, std::move(all));
}

}  // namespace

DirectorySource::DirectorySource(std::filesystem::path root, DirectoryOptions options,
                                 WorkPool& pool)
    : root_(std::move(root)), options_(std::move(options)), pool_(pool) {}

std::string DirectorySource::description() const {
  return "local path " + root_.string();
}

Task<Result<Content>> DirectorySource::fetch() {
  auto walk = [root = root_, options = options_]() -> Result<Shared> {
    auto listing = std::make_shared<Listing>();
    // Before anything is looked at, so that all is read later.
    if (options.checksums) listing->settled_before = options.checksums->settled_before();
    auto walked = walk_directory(root, options);
    if (walked.has_error()) return std::move(walked).error();
    listing->walked = std::move(*walked);
    if (!options.identities) {
      number_files(listing->walked.entries);
      return listing;
    }
    if (options.checksums) listing->known = options.checksums->read(root);
    listing->unknown = recall(listing->walked, listing->known);
    return listing;
  };
  auto listed = co_await pool_.run(std::move(walk));
  if (listed.has_error()) co_return std::move(listed).error();
  const auto listing = std::move(*listed);
  auto identified = co_await identify_all(listing);
  if (identified.has_error()) co_return std::move(identified).error();
  auto build = [listing, root = root_, options = options_] {
    return finish(*listing, root, options);
  };
  auto content = co_await pool_.run(std::move(build));
  if (content.has_error()) co_return std::move(content).error().while_doing(root_.string());
  co_return std::move(*content);
}

Result<Content> DirectorySource::finish(Listing& listing, const std::filesystem::path& root,
                                        const DirectoryOptions& options) {
  if (options.identities && options.checksums)
    remember(listing.walked, listing.known, listing.unknown, listing.settled_before, root,
             *options.checksums);
  Content content;
  for (auto& entry : listing.walked.entries) KILN_TRY(content.tree.add(std::move(entry)));
  if (options.identities) content.identity = identity_of(content.tree);
  return content;
}

Task<Result<std::size_t>> DirectorySource::identify_all(Shared listing) {
  const auto& unknown = listing->unknown;
  std::vector<Task<Result<std::size_t>>> batches;
  for (std::size_t first = 0; first < unknown.size();) {
    std::uint64_t bytes = 0;
    auto end = first;
    while (end < unknown.size() && end - first < kBatchFiles && bytes < kBatchBytes)
      bytes += listing->walked.entries[unknown[end++]].content.size_bytes();
    batches.push_back(identify(listing, first, end));
    first = end;
  }
  const auto done = co_await gather(std::move(batches), pool_.threads());
  if (done.has_error()) co_return done.error();
  co_return unknown.size();
}

/// Batches touch different entries, so they need no lock.
Task<Result<std::size_t>> DirectorySource::identify(Shared listing, std::size_t first,
                                                    std::size_t end) {
  auto work = [listing, first, end]() -> Result<std::size_t> {
    for (std::size_t i = first; i < end; ++i) {
      auto& entry = listing->walked.entries[listing->unknown[i]];
      auto identity = identity_of_file(entry.content);
      if (identity.has_error()) return std::move(identity).error();
      entry.identity = std::move(*identity);
    }
    return end - first;
  };
  co_return co_await pool_.run(std::move(work));
}

}  // namespace kiln::source
