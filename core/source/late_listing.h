#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/source/directory_listing.h"
#include "core/source/late_identity.h"
#include "core/source/source.h"

namespace kiln::source {

/// A listed folder of whose files some have not been read. Its entries keep it.
class LateListing final : public EntryList,
                          public LateIdentity,
                          public std::enable_shared_from_this<LateListing> {
 public:
  /// `unread`: which of the paths. `remember`: see there.
  LateListing(std::shared_ptr<DirectoryListing> listing, std::vector<std::size_t> unread,
              std::function<void()> remember);

  std::size_t size() const override { return listing_->size(); }
  std::uint64_t content_bytes(std::size_t number) const override {
    return listing_->content_bytes(number);
  }
  /// The same identities every time, also when the files have become known.
  layer::Entry entry(std::size_t number) const override;
  void look_at(std::size_t number, EntrySketch& sketch) const override;

  bool gave(std::string_view identity) const override { return identity.starts_with(prefix_); }
  std::string find(std::string_view identity) const override;
  bool is_complete() const override;
  Result<std::string> finish() override;
  void remember() const override { remember_(); }

 private:
  class Teller;
  bool was_unread(std::size_t number) const;
  Result<void> learn(std::size_t number, const Sha256Sum& sum) const;
  bool knows(std::size_t number) const;

  std::string prefix_;
  std::shared_ptr<DirectoryListing> listing_;  // Shared with the fetch that made it. Learns sums.
  std::vector<std::size_t> unread_;            ///< In order.
  std::function<void()> remember_;
  mutable std::mutex mutex_;  ///< Guards the sums of the unread.
};

}  // namespace kiln::source
