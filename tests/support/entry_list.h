#pragma once
// Content whose entries stand in a list, as a folder's do that was walked through.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/source/entry_list.h"
#include "core/source/source.h"

namespace kiln::testing {

/// Entries that are given, by path.
class GivenEntries final : public source::EntryList {
 public:
  explicit GivenEntries(std::vector<layer::Entry> entries) : entries_(std::move(entries)) {}

  std::size_t size() const override { return entries_.size(); }
  std::uint64_t content_bytes(std::size_t number) const override {
    return entries_.at(number).content.size_bytes();
  }
  layer::Entry entry(std::size_t number) const override { return entries_.at(number); }
  void look_at(std::size_t number, source::EntrySketch& sketch) const override {
    const auto& entry = entries_.at(number);
    sketch.path = entry.path;
    sketch.kind = entry.kind;
    sketch.mode = entry.mode;
    sketch.uid = entry.uid;
    sketch.gid = entry.gid;
    sketch.link_target = entry.link_target;
    sketch.identity = entry.identity;
    sketch.xattrs = entry.xattrs.empty() ? nullptr : &entry.xattrs;
  }

 private:
  std::vector<layer::Entry> entries_;
};

inline source::Content listed(std::vector<layer::Entry> entries) {
  source::Content content;
  content.list = std::make_shared<GivenEntries>(std::move(entries));
  return content;
}

}  // namespace kiln::testing
