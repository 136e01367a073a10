#include "core/source/directory_source.h"

#include <random>
#include <span>
#include <utility>

#include "core/base/gather.h"
#include "core/base/sha256.h"
#include "core/source/directory_walk.h"

namespace kiln::source {
namespace {

using Listing = std::vector<layer::Entry>;

// What is hashed in one go on a thread of the pool.
constexpr std::size_t kBatchFiles = 256;
constexpr std::uint64_t kBatchBytes = 64 << 20;

Result<std::string> identity_of_file(const layer::FileContent& content) {
  auto source = content.open();
  if (source.has_error()) return std::move(source).error();
  auto sum = sha256_hex(**source);
  if (sum.has_error()) return std::move(sum).error();
  return "sha256:" + *sum;
}

Result<std::size_t> identify_some(std::span<layer::Entry> entries) {
  for (auto& entry : entries) {
    if (entry.kind != layer::EntryKind::kFile) continue;
    auto identity = identity_of_file(entry.content);
    if (identity.has_error()) return std::move(identity).error();
    entry.identity = std::move(*identity);
  }
  return entries.size();
}

/// Where the batch that starts at `first` ends.
std::size_t batch_end(const Listing& entries, std::size_t first) {
  std::uint64_t bytes = 0;
  auto end = first;
  while (end < entries.size() && end - first < kBatchFiles && bytes < kBatchBytes)
    bytes += entries[end++].content.size_bytes();
  return end;
}

/// Identities that no other fetch has: they are not of the bytes, but one fetch gives the same
/// bytes for each of them every time, or an error.
void number_files(Listing& entries) {
  std::random_device random;
  std::string fetch = "fetch:";
  for (int word = 0; word < 4; ++word) fetch += std::to_string(random()) + ":";
  std::size_t number = 0;
  for (auto& entry : entries)
    if (entry.kind == layer::EntryKind::kFile) entry.identity = fetch + std::to_string(number++);
}

Result<Content> content_of(Listing entries, bool identities) {
  Content content;
  for (auto& entry : entries) KILN_TRY(content.tree.add(std::move(entry)));
  if (identities) content.identity = identity_of(content.tree);
  return content;
}

}  // namespace

DirectorySource::DirectorySource(std::filesystem::path root, DirectoryOptions options,
                                 WorkPool& pool)
    : root_(std::move(root)), options_(std::move(options)), pool_(pool) {}

std::string DirectorySource::description() const {
  return "local path " + root_.string();
}

Task<Result<Content>> DirectorySource::fetch() {
  auto walk = [root = root_, options = options_] { return walk_directory(root, options); };
  auto listed = co_await pool_.run(std::move(walk));
  if (listed.has_error()) co_return std::move(listed).error();
  const auto entries = std::make_shared<Listing>(std::move(*listed));
  if (options_.identities) {
    auto identified = co_await identify_all(entries);
    if (identified.has_error()) co_return std::move(identified).error();
  } else {
    number_files(*entries);
  }
  auto build = [entries, identities = options_.identities] {
    return content_of(std::move(*entries), identities);
  };
  auto content = co_await pool_.run(std::move(build));
  if (content.has_error()) co_return std::move(content).error().while_doing(root_.string());
  co_return std::move(*content);
}

Task<Result<std::size_t>> DirectorySource::identify_all(Entries entries) {
  std::vector<Task<Result<std::size_t>>> batches;
  for (std::size_t first = 0; first < entries->size();) {
    const auto end = batch_end(*entries, first);
    batches.push_back(identify(entries, first, end));
    first = end;
  }
  const auto done = co_await gather(std::move(batches), pool_.threads());
  if (done.has_error()) co_return done.error();
  co_return entries->size();
}

/// Batches touch different entries, so they need no lock.
Task<Result<std::size_t>> DirectorySource::identify(Entries entries, std::size_t first,
                                                    std::size_t end) {
  auto work = [entries, first, end] {
    return identify_some(std::span(*entries).subspan(first, end - first));
  };
  co_return co_await pool_.run(std::move(work));
}

}  // namespace kiln::source
