#include "core/source/late_listing.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <span>
#include <utility>

#include "core/layer/sum_wanted.h"
#include "core/source/tree_identity.h"

namespace kiln::source {
namespace {

/// Another one each time. Short: with a file's number it fits into a string without memory of its
/// own.
std::string new_prefix() {
  static std::atomic<std::uint64_t> count{0};
  return "late:" + std::to_string(++count) + ":";
}

}  // namespace

/// A file's bytes, and who is told their sum.
class LateListing::Teller final : public ByteSource, public layer::SumWanted {
 public:
  Teller(std::unique_ptr<ByteSource> bytes, std::shared_ptr<const LateListing> late,
         std::size_t number)
      : bytes_(std::move(bytes)), late_(std::move(late)), number_(number) {}

  Result<std::size_t> read(std::span<char> buffer) override { return bytes_->read(buffer); }
  std::uint64_t skip(std::uint64_t bytes) override { return bytes_->skip(bytes); }
  Result<void> tell_sum(const Sha256Sum& sum) override { return late_->learn(number_, sum); }

 private:
  std::unique_ptr<ByteSource> bytes_;
  std::shared_ptr<const LateListing> late_;  // Shared with all files of the folder.
  std::size_t number_;
};

LateListing::LateListing(std::shared_ptr<DirectoryListing> listing, std::vector<std::size_t> unread,
                         std::function<void()> remember)
    : prefix_(new_prefix()),
      listing_(std::move(listing)),
      unread_(std::move(unread)),
      remember_(std::move(remember)) {}

bool LateListing::was_unread(std::size_t number) const {
  return std::binary_search(unread_.begin(), unread_.end(), number);
}

layer::Entry LateListing::entry(std::size_t number) const {
  if (!was_unread(number)) return listing_->entry(number);
  const auto& found = listing_->paths[number];
  layer::Entry entry(found.path(), found.kind);
  entry.mode = found.mode;
  entry.uid = found.uid;
  entry.gid = found.gid;
  entry.identity = prefix_ + std::to_string(number);
  if (found.rare) entry.xattrs = found.rare->xattrs;
  auto open = [late = shared_from_this(), number]() -> Result<std::unique_ptr<ByteSource>> {
    auto bytes = late->listing_->open_content(late->listing_->paths[number]);
    if (bytes.has_error()) return bytes;
    return std::unique_ptr<ByteSource>(std::make_unique<Teller>(std::move(*bytes), late, number));
  };
  entry.content = layer::FileContent(found.version.size_bytes, std::move(open));
  return entry;
}

void LateListing::look_at(std::size_t number, EntrySketch& sketch) const {
  if (!was_unread(number)) return listing_->look_at(number, sketch);
  listing_->look_at_outside(number, sketch);
  sketch.identity = prefix_;
  sketch.identity += std::to_string(number);
}

std::string LateListing::find(std::string_view identity) const {
  std::size_t number = 0;
  identity.remove_prefix(prefix_.size());
  std::from_chars(identity.data(), identity.data() + identity.size(), number);
  const std::scoped_lock lock(mutex_);
  const auto& sum = listing_->paths[number].sum;
  return sum ? identity_of_sum(*sum) : "";
}

Result<void> LateListing::learn(std::size_t number, const Sha256Sum& sum) const {
  const std::scoped_lock lock(mutex_);
  auto& known = listing_->paths[number].sum;
  if (!known) known = sum;
  if (*known != sum)
    return listing_->root->changed(listing_->paths[number].path(), "it was written to");
  return {};
}

bool LateListing::knows(std::size_t number) const {
  const std::scoped_lock lock(mutex_);
  return listing_->paths[number].sum.has_value();
}

bool LateListing::is_complete() const {
  return std::all_of(unread_.begin(), unread_.end(),
                     [this](std::size_t number) { return knows(number); });
}

Result<std::string> LateListing::finish() {
  for (const auto number : unread_) {
    if (knows(number)) continue;
    auto bytes = listing_->open_content(listing_->paths[number]);
    if (bytes.has_error()) return std::move(bytes).error();
    const auto sum = sha256(**bytes);
    if (sum.has_error()) return sum.error();
    KILN_TRY(learn(number, *sum));
  }
  return listing_->identity();
}

}  // namespace kiln::source
