#include "core/image/diff.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "core/base/json.h"
#include "core/base/sha256.h"
#include "core/image/merged_tree.h"

namespace kiln::image {
namespace {

using layer::EntryKind;
using File = MergedTree::File;

/// By path. The root is there even where no layer names it.
std::map<std::string, File> files_of(const MergedTree& tree) {
  std::map<std::string, File> files;
  tree.for_each([&](const std::string& path, const File& file) { files.emplace(path, file); });
  files.emplace("", std::make_shared<const MergedFile>());
  return files;
}

/// Entries of layers whose bytes must be read to know whether they are equal.
using Wanted = std::vector<std::set<std::uint64_t>>;
using Sums = std::vector<std::map<std::uint64_t, std::string>>;

Result<Sums> sums_of(const std::vector<layer::Blob>& layers, const Wanted& wanted) {
  Sums sums(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto take = [&](std::uint64_t number, layer::TarEntry&,
                          layer::TarReader& bytes) -> Result<void> {
      auto sum = sha256_hex(bytes);
      if (sum.has_error()) return std::move(sum).error();
      sums[i].emplace(number, std::move(*sum));
      return {};
    };
    auto read = read_entries(layers[i], wanted[i], take);
    if (read.has_error())
      return std::move(read).error().while_doing("layer " + std::to_string(i + 1));
  }
  return sums;
}

class Comparison {
 public:
  Comparison(const std::vector<layer::Blob>& a, const std::vector<layer::Blob>& b,
             const DiffOptions& options)
      : layers_a_(a), layers_b_(b), options_(options), wanted_a_(a.size()), wanted_b_(b.size()) {}

  Result<std::vector<FileChange>> run() {
    auto a = MergedTree::of(layers_a_);
    if (a.has_error()) return std::move(a).error().while_doing("the first image");
    auto b = MergedTree::of(layers_b_);
    if (b.has_error()) return std::move(b).error().while_doing("the second image");
    files_a_ = files_of(*a);
    files_b_ = files_of(*b);
    for (const auto& [path, file] : files_a_)
      if (const auto* other = same_path(path)) want_bytes(*file, *other);
    auto sums_a = sums_of(layers_a_, wanted_a_);
    if (sums_a.has_error()) return std::move(sums_a).error().while_doing("the first image");
    auto sums_b = sums_of(layers_b_, wanted_b_);
    if (sums_b.has_error()) return std::move(sums_b).error().while_doing("the second image");
    sums_a_ = std::move(*sums_a);
    sums_b_ = std::move(*sums_b);
    return changes();
  }

 private:
  const MergedFile* same_path(const std::string& path) const {
    const auto found = files_b_.find(path);
    return found == files_b_.end() ? nullptr : found->second.get();
  }

  bool one_origin(const MergedFile& a, const MergedFile& b) const {
    return a.number == b.number &&
           layers_a_[a.layer].descriptor().digest == layers_b_[b.layer].descriptor().digest;
  }

  void want_bytes(const MergedFile& a, const MergedFile& b) {
    if (a.kind != EntryKind::kFile || b.kind != EntryKind::kFile) return;
    if (a.size_bytes != b.size_bytes || one_origin(a, b)) return;
    wanted_a_[a.layer].insert(a.number);
    wanted_b_[b.layer].insert(b.number);
  }

  bool same_bytes(const MergedFile& a, const MergedFile& b) const {
    if (a.size_bytes != b.size_bytes) return false;
    return one_origin(a, b) || sums_a_[a.layer].at(a.number) == sums_b_[b.layer].at(b.number);
  }

  std::vector<std::string> differences(const MergedFile& a, const MergedFile& b) const {
    std::vector<std::string> what;
    const bool same_kind = a.kind == b.kind;
    const auto note = [&](bool differs, const char* name) {
      if (differs) what.emplace_back(name);
    };
    note(!same_kind, "kind");
    if (same_kind && a.kind == EntryKind::kFile) {
      note(!same_bytes(a, b), "content");
      note(a.size_bytes != b.size_bytes, "size");
    }
    note(same_kind && a.kind != EntryKind::kSymlink && a.mode != b.mode, "mode");
    note(a.uid != b.uid || a.gid != b.gid, "owner");
    note(same_kind && (a.link_target != b.link_target || a.device != b.device), "target");
    note(a.xattrs != b.xattrs, "xattrs");
    note(options_.times && a.mtime != b.mtime, "time");
    return what;
  }

  std::vector<FileChange> changes() const {
    std::vector<FileChange> all;
    const auto size_of = [](const File& file) {
      return file->kind == EntryKind::kFile ? std::optional(file->size_bytes) : std::nullopt;
    };
    for (const auto& [path, file] : files_a_) {
      FileChange change{FileChange::Kind::kRemoved, "/" + path};
      change.size_before = size_of(file);
      if (const auto* other = same_path(path)) {
        change.kind = FileChange::Kind::kChanged;
        change.what = differences(*file, *other);
        change.size_after = size_of(files_b_.at(path));
        if (change.what.empty()) continue;
      }
      all.push_back(std::move(change));
    }
    for (const auto& [path, file] : files_b_) {
      if (files_a_.contains(path)) continue;
      FileChange change{FileChange::Kind::kAdded, "/" + path};
      change.size_after = size_of(file);
      all.push_back(std::move(change));
    }
    std::sort(all.begin(), all.end(),
              [](const FileChange& x, const FileChange& y) { return x.path < y.path; });
    return all;
  }

  const std::vector<layer::Blob>& layers_a_;
  const std::vector<layer::Blob>& layers_b_;
  const DiffOptions& options_;
  std::map<std::string, File> files_a_;
  std::map<std::string, File> files_b_;
  Wanted wanted_a_;
  Wanted wanted_b_;
  Sums sums_a_;
  Sums sums_b_;
};

/// Fields by name, values as compact JSON.
using Fields = std::map<std::string, std::string>;

void add_by_key(Fields& fields, const std::string& prefix, const Json& object) {
  for (const auto& [key, value] : object.items()) fields[prefix + "." + key] = dump_json(value);
}

void add_environment(Fields& fields, const std::string& prefix, const Json& list) {
  for (const auto& assignment : list) {
    if (!assignment.is_string()) continue;
    const auto& text = assignment.get_ref<const std::string&>();
    const std::string name(oci::env_name(text));
    fields[prefix + "." + name] = dump_json(text.substr(std::min(name.size() + 1, text.size())));
  }
}

// Told in this order, after the fields of the runtime config.
constexpr std::array<const char*, 6> kOtherFields = {"created",      "author",  "os",
                                                     "architecture", "variant", "os.version"};

Fields fields_of(const oci::Config& config) {
  Fields fields;
  const auto document = parse_json(config.to_json());
  if (document.has_error()) return fields;  // Never: the value was made from JSON.
  for (const auto* name : kOtherFields)
    if (document->contains(name)) fields[name] = dump_json(document->at(name));
  for (const auto& [name, value] : json_at(*document, "config").items()) {
    const auto field = "config." + name;
    if (name == "Env" && value.is_array())
      add_environment(fields, field, value);
    else if (value.is_object())
      add_by_key(fields, field, value);
    else if (!value.is_null())
      fields[field] = dump_json(value);
  }
  return fields;
}

}  // namespace

Result<std::vector<FileChange>> diff_files(const std::vector<layer::Blob>& a,
                                           const std::vector<layer::Blob>& b,
                                           const DiffOptions& options) {
  return Comparison(a, b, options).run();
}

std::vector<ConfigChange> diff_configs(const oci::Config& a, const oci::Config& b) {
  auto before = fields_of(a);
  auto after = fields_of(b);
  std::map<std::string, ConfigChange> changes;
  for (auto& [name, value] : before) changes[name].before = std::move(value);
  for (auto& [name, value] : after) changes[name].after = std::move(value);
  std::vector<ConfigChange> all;
  const auto tell = [&](const std::string& name, ConfigChange& change) {
    if (change.before == change.after) return;
    change.field = name;
    all.push_back(std::move(change));
  };
  for (auto& [name, change] : changes)
    if (name.starts_with("config.")) tell(name, change);
  for (const auto* name : kOtherFields)
    if (const auto found = changes.find(name); found != changes.end()) tell(name, found->second);
  return all;
}

}  // namespace kiln::image
