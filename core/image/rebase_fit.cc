#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/redact.h"
#include "core/image/rebase.h"
#include "core/layer/entry_path.h"
#include "core/layer/path_walk.h"

namespace kiln::image {
namespace {

using layer::BaseTree;
using layer::EntryKind;
using layer::IndexedEntry;

bool is_directory(const IndexedEntry* entry) {
  return entry != nullptr && entry->kind == EntryKind::kDirectory;
}

bool is_symlink(const IndexedEntry* entry) {
  return entry != nullptr && entry->kind == EntryKind::kSymlink;
}

/// Both the same directory or symlink; files and what is not there are all the same here.
bool same_facts(const IndexedEntry* a, const IndexedEntry* b) {
  const auto matters = [](const IndexedEntry* entry) {
    return is_directory(entry) || is_symlink(entry);
  };
  if (!matters(a) || !matters(b)) return matters(a) == matters(b);
  if (a->kind != b->kind) return false;
  if (a->kind == EntryKind::kSymlink) return a->link_target == b->link_target;
  return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid;
}

std::string described(const IndexedEntry* entry) {
  if (entry == nullptr) return "missing";
  if (entry->kind == EntryKind::kSymlink) return "a symlink to \"" + entry->link_target + "\"";
  if (entry->kind != EntryKind::kDirectory) return "a file";
  std::array<char, 16> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", entry->mode);
  return "a directory (" + std::string(mode.data()) + ", owner " + std::to_string(entry->uid) +
         ":" + std::to_string(entry->gid) + ")";
}

/// Takes the image's own layers one after the other and compares what each meets in both bases.
class FitCheck {
 public:
  FitCheck(const BaseTree& old_base, const BaseTree& new_base) : old_(old_base), new_(new_base) {}

  Result<void> take(const layer::LayerIndex& own) {
    old_after_ = old_;
    new_after_ = new_;
    KILN_TRY(old_after_.apply(own));
    KILN_TRY(new_after_.apply(own));
    parent_.reset();
    for (const auto& entry : own.entries) {
      auto path = real_path(entry.path);
      if (path.has_error()) return std::move(path).error();
      KILN_TRY(check_place(entry, *path));
      if (entry.kind == EntryKind::kHardlink) KILN_TRY(check_link(entry));
    }
    old_ = std::move(old_after_);
    new_ = std::move(new_after_);
    return {};
  }

 private:
  /// Goes through the directories of `path`, with the layer in place, and compares them on the way.
  Result<std::string> real_path(std::string_view path) {
    const auto parent = layer::parent_of(path);
    if (!parent_ || parent_->first != parent) {
      auto real = walk_directories(parent);
      if (real.has_error()) return std::move(real).error();
      parent_.emplace(parent, std::move(*real));
    }
    return layer::join_path(parent_->second, layer::name_of_path(path));
  }

  Result<std::string> walk_directories(std::string_view path) {
    std::optional<Error> differs;
    auto real = layer::walk_path(path, true, [&](const std::string& at) {
      const auto* before = old_after_.find(at);
      const auto* after = new_after_.find(at);
      // Where neither the old base nor the layer names a directory, any will do.
      const bool unnamed = is_directory(before) && !old_after_.origin_of(at);
      if (!differs && !same_facts(before, after) && !(unnamed && is_directory(after)))
        differs = misfit(at, before, after);
      return step_of(before);
    });
    if (differs) return *std::move(differs);
    return real;
  }

  static std::optional<layer::PathStep> step_of(const IndexedEntry* entry) {
    if (entry == nullptr) return std::nullopt;
    return layer::PathStep{entry->kind, entry->link_target};
  }

  /// What `entry` repeats or takes the place of.
  Result<void> check_place(const IndexedEntry& entry, const std::string& path) const {
    const auto* before = old_.find(path);
    const auto* after = new_.find(path);
    if (same_facts(before, after)) return {};
    const bool directory = entry.kind == EntryKind::kDirectory || entry.opaque;
    const bool fits =
        directory ? directory_fits(entry, before, after) : file_fits(entry, before, after);
    return fits ? Result<void>() : misfit(path, before, after);
  }

  /// A directory of the layer's own may meet one that is just so, or take a link's place again.
  static bool directory_fits(const IndexedEntry& entry, const IndexedEntry* before,
                             const IndexedEntry* after) {
    if (is_directory(before)) return false;
    return is_directory(after) ? same_facts(&entry, after) : is_symlink(before);
  }

  /// Whatever else the layer puts there, or hides, must not cost the new base a directory that the
  /// old one did not have, nor put back a link that the new base has changed.
  static bool file_fits(const IndexedEntry& entry, const IndexedEntry* before,
                        const IndexedEntry* after) {
    if (is_symlink(&entry) && is_symlink(before) && same_facts(&entry, before)) return false;
    return is_directory(before) || !is_directory(after);
  }

  /// A hard link to a file of the base needs that file.
  Result<void> check_link(const IndexedEntry& entry) const {
    const auto target = new_after_.resolve(entry.link_target, false);
    const auto* file = target.has_error() ? nullptr : new_after_.find(*target);
    if (file != nullptr && file->kind != EntryKind::kDirectory) return {};
    return Error(Errc::kInvalid, quoted_name("/" + entry.path) + " is a hard link to " +
                                     quoted_name("/" + entry.link_target) +
                                     ", which is no file of the new base; build the image again "
                                     "on the new base");
  }

  static Error misfit(const std::string& path, const IndexedEntry* before,
                      const IndexedEntry* after) {
    return {Errc::kInvalid,
            "the image's own layers do not fit the new base: " + quoted_name("/" + path) + " is " +
                described(before) + " in the old base and " + described(after) +
                " in the new one; build the image again on the new base"};
  }

  BaseTree old_, new_;                                         // Below the layer that is looked at.
  BaseTree old_after_, new_after_;                             // With it.
  std::optional<std::pair<std::string, std::string>> parent_;  // The last one, and where it is.
};

}  // namespace

Result<void> check_fits(const std::vector<layer::LayerIndex>& own, const BaseTree& old_base,
                        const BaseTree& new_base) {
  FitCheck check(old_base, new_base);
  for (const auto& layer : own) KILN_TRY(check.take(layer));
  return {};
}

}  // namespace kiln::image
