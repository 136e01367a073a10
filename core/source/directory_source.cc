#include "core/source/directory_source.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "core/base/gather.h"
#include "core/base/sha256.h"
#include "core/source/directory_walk.h"
#include "core/source/late_listing.h"

namespace kiln::source {

/// What was found, and how far the files are known.
struct DirectorySource::Listing {
  std::shared_ptr<DirectoryWalk> walk{};  ///< While it lasts. Shared by those who work on it.
  DirectoryListing found{};
  std::vector<FileChecksum> known{};   ///< By earlier runs, of this root.
  std::vector<std::size_t> unknown{};  ///< Which of the paths are to be read.
  WallTime settled_before{};
};

namespace {

using layer::EntryKind;

// What is hashed in one go on a thread of the pool.
constexpr std::size_t kBatchFiles = 256;
constexpr std::uint64_t kBatchBytes = 64 << 20;

/// Identities that no other fetch has: they are not of the bytes, but one fetch gives the same
/// bytes for each of them every time, or an error.
class Numbers {
 public:
  Numbers() {
    std::random_device random;
    for (int word = 0; word < 4; ++word) fetch_ += std::to_string(random()) + ":";
  }
  std::string next() { return fetch_ + std::to_string(number_++); }

 private:
  std::string fetch_ = "fetch:";
  std::size_t number_ = 0;
};

/// Gives the files their sums whose versions are known, and says which are left.
std::vector<std::size_t> recall(DirectoryListing& listing, const std::vector<FileChecksum>& known) {
  std::vector<std::size_t> unknown;
  ChecksumFinder finder(known);
  for (std::size_t i = 0; i < listing.paths.size(); ++i) {
    auto& found = listing.paths[i];
    if (found.kind != EntryKind::kFile) continue;
    if (const auto* sum = finder.find(found.version))
      found.sum = *sum;
    else
      unknown.push_back(i);
  }
  return unknown;
}

/// Keeps what was found out, unless all of it was known.
void remember(const DirectoryListing& listing, const std::vector<FileChecksum>& known,
              const std::vector<std::size_t>& read, WallTime settled_before,
              const std::filesystem::path& root, const FileChecksums& checksums) {
  const auto is_settled = [&](const FoundPath& found) {
    return found.kind == EntryKind::kFile && is_older(found.version, settled_before);
  };
  const bool new_ones = std::any_of(read.begin(), read.end(),
                                    [&](std::size_t i) { return is_settled(listing.paths[i]); });
  const auto count = static_cast<std::size_t>(
      std::count_if(listing.paths.begin(), listing.paths.end(), is_settled));
  if (!new_ones && count >= known.size() / 2) return;
  std::vector<FileChecksum> all;
  all.reserve(count);
  for (const auto& found : listing.paths)
    if (is_settled(found)) all.push_back(FileChecksum{found.version, *found.sum});
  checksums.write(root, all);
}

/// `numbered`: the files' identities are not of their bytes.
Result<layer::FileTree> tree_of(const DirectoryListing& listing, bool numbered) {
  layer::FileTree tree;
  std::optional<Numbers> numbers;
  if (numbered) numbers.emplace();
  for (std::size_t i = 0; i < listing.size(); ++i) {
    auto entry = listing.entry(i);
    if (numbers && entry.kind == EntryKind::kFile) entry.identity = numbers->next();
    KILN_TRY(tree.add(std::move(entry)));
  }
  return tree;
}

}  // namespace

DirectorySource::DirectorySource(std::filesystem::path root, DirectoryOptions options,
                                 WorkPool& pool)
    : root_(std::move(root)), options_(std::move(options)), pool_(pool) {}

std::string DirectorySource::description() const {
  return "local path " + root_.string();
}

Task<Result<Content>> DirectorySource::fetch() {
  auto listed = co_await list();
  if (listed.has_error()) co_return std::move(listed).error();
  const auto listing = std::move(*listed);
  if (options_.late && !listing->unknown.empty()) co_return late_content(listing);
  auto identified = co_await identify_all(listing);
  if (identified.has_error()) co_return std::move(identified).error();
  std::vector<Task<Result<Content>>> both;
  both.push_back(make_content(listing));
  both.push_back(remember_all(listing));
  auto done = co_await gather(std::move(both), 2);
  if (done.has_error()) co_return std::move(done).error().while_doing(root_.string());
  co_return std::move(done->front());
}

Task<Result<Content>> DirectorySource::make_content(Shared listing) {
  auto work = [listing, options = options_] { return finish(listing, options); };
  co_return co_await pool_.run(std::move(work));
}

/// What it answers is empty.
Task<Result<Content>> DirectorySource::remember_all(Shared listing) {
  if (!options_.identities || !options_.checksums) co_return Content();
  auto work = [listing, root = root_, checksums = options_.checksums] {
    remember(listing->found, listing->known, listing->unknown, listing->settled_before, root,
             *checksums);
    return Result<Content>(Content());
  };
  co_return co_await pool_.run(std::move(work));
}

/// By all threads of the pool; one of them first reads what earlier runs know.
Task<Result<DirectorySource::Shared>> DirectorySource::list() {
  const auto listing = std::make_shared<Listing>();
  // Before anything is looked at, so that all is read later.
  if (options_.checksums) listing->settled_before = options_.checksums->settled_before();
  auto begin = [listing, root = root_, options = options_]() -> Result<bool> {
    auto walk = DirectoryWalk::begin(root, options);
    if (walk.has_error()) return std::move(walk).error();
    listing->walk = std::move(*walk);
    return true;
  };
  const auto begun = co_await pool_.run(std::move(begin));
  if (begun.has_error()) co_return begun.error();

  std::vector<Task<Result<bool>>> tasks;
  if (options_.identities && options_.checksums) tasks.push_back(read_known(listing));
  for (std::size_t i = 0; i < pool_.threads(); ++i) tasks.push_back(walk_along(listing));
  const auto walked = co_await gather(std::move(tasks), pool_.threads());
  if (walked.has_error()) co_return walked.error();

  auto finish = [listing, identities = options_.identities]() -> Result<bool> {
    auto found = listing->walk->finish();
    if (found.has_error()) return std::move(found).error();
    listing->walk.reset();
    listing->found = std::move(*found);
    if (identities) listing->unknown = recall(listing->found, listing->known);
    return true;
  };
  const auto finished = co_await pool_.run(std::move(finish));
  if (finished.has_error()) co_return finished.error();
  co_return listing;
}

Task<Result<bool>> DirectorySource::read_known(Shared listing) {
  auto work = [listing, root = root_, checksums = options_.checksums] {
    listing->known = checksums->read(root);
    return true;
  };
  co_return co_await pool_.run(std::move(work));
}

Task<Result<bool>> DirectorySource::walk_along(Shared listing) {
  auto work = [listing] {
    listing->walk->work();
    return true;
  };
  co_return co_await pool_.run(std::move(work));
}

Result<Content> DirectorySource::finish(const Shared& listing, const DirectoryOptions& options) {
  const auto& found = listing->found;
  Content content;
  if (options.identities) content.identity = found.identity();
  if (options.identities && options.tree_later) {
    content.list = std::shared_ptr<const EntryList>(listing, &found);
    return content;
  }
  auto tree = tree_of(found, !options.identities);
  if (tree.has_error()) return std::move(tree).error();
  content.tree = std::move(*tree);
  return content;
}

/// What files are is kept when the last of them is known.
Content DirectorySource::late_content(const Shared& listing) const {
  auto keep = [listing, root = root_, checksums = options_.checksums] {
    if (checksums)
      remember(listing->found, listing->known, listing->unknown, listing->settled_before, root,
               *checksums);
  };
  const auto late =
      std::make_shared<LateListing>(std::shared_ptr<DirectoryListing>(listing, &listing->found),
                                    listing->unknown, std::move(keep));
  Content content;
  content.late = late;
  content.list = late;
  return content;
}

Task<Result<std::size_t>> DirectorySource::identify_all(Shared listing) {
  const auto& unknown = listing->unknown;
  std::vector<Task<Result<std::size_t>>> batches;
  for (std::size_t first = 0; first < unknown.size();) {
    std::uint64_t bytes = 0;
    auto end = first;
    while (end < unknown.size() && end - first < kBatchFiles && bytes < kBatchBytes)
      bytes += listing->found.paths[unknown[end++]].version.size_bytes;
    batches.push_back(identify(listing, first, end));
    first = end;
  }
  const auto done = co_await gather(std::move(batches), pool_.threads());
  if (done.has_error()) co_return done.error();
  co_return unknown.size();
}

/// Batches touch different files, so they need no lock.
Task<Result<std::size_t>> DirectorySource::identify(Shared listing, std::size_t first,
                                                    std::size_t end) {
  auto work = [listing, first, end]() -> Result<std::size_t> {
    for (std::size_t i = first; i < end; ++i) {
      auto& file = listing->found.paths[listing->unknown[i]];
      auto bytes = listing->found.open_content(file);
      if (bytes.has_error()) return std::move(bytes).error();
      const auto sum = sha256(**bytes);
      if (sum.has_error()) return sum.error();
      file.sum = *sum;
    }
    return end - first;
  };
  co_return co_await pool_.run(std::move(work));
}

}  // namespace kiln::source
