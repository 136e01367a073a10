#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "core/layer/entry.h"

namespace kiln::source {

/// What counts of an entry, its bytes aside. Reused for one entry after the other, so that looking
/// at many takes no memory each time.
struct EntrySketch {
  std::string path{};
  layer::EntryKind kind = layer::EntryKind::kFile;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string link_target{};
  std::string identity{};
  const std::map<std::string, std::string>* xattrs = nullptr;  ///< Null = none. The list's.
};

/// Content in the place of a tree, where that may never be needed: its entries by path (see
/// layer::sorted_before), parents before children, each as often as wanted and always the same.
/// Threads: any.
class EntryList {
 public:
  virtual ~EntryList() = default;
  virtual std::size_t size() const = 0;
  /// Of a file, else 0.
  virtual std::uint64_t content_bytes(std::size_t number) const = 0;
  virtual layer::Entry entry(std::size_t number) const = 0;
  /// The same without what it takes to open a file.
  virtual void look_at(std::size_t number, EntrySketch& sketch) const = 0;
};

}  // namespace kiln::source
