#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/sha256.h"
#include "core/layer/entry.h"
#include "core/source/entry_list.h"

namespace kiln::source {

/// identity_of() a tree, told entry by entry: for those who have no tree.
class TreeIdentity {
 public:
  /// What counts of an entry. Lifetime: everything is only looked at while it is added.
  struct Facts {
    std::string_view path;
    layer::EntryKind kind;
    std::uint32_t mode;
    std::uint32_t uid;
    std::uint32_t gid;
    std::string_view link_target;
    std::string_view identity;
    std::optional<std::int64_t> mtime;
    const std::map<std::string, std::string>& xattrs;
  };

  TreeIdentity();
  /// In the order of their paths (layer::sorted_before).
  void add(const Facts& entry);
  void add(const layer::Entry& entry);
  /// Without a time of its own.
  void add(const EntrySketch& entry);
  /// "sha256:…". Ends this object's use.
  std::string finish();

 private:
  void hash_what_is_used();

  Sha256 hash_;
  std::string text_;      ///< Room for what is not hashed yet: a call for each field takes longer.
  std::size_t used_ = 0;  ///< How much of the room is.
};

inline constexpr std::string_view kSha256Identity = "sha256:";  ///< What it begins with.
/// The identity of a file whose bytes have this sum.
std::string identity_of_sum(const Sha256Sum& sum);
/// The same into a text that is there, in the place of what it has.
void identity_of_sum(const Sha256Sum& sum, std::string& text);

}  // namespace kiln::source
