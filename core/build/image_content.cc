#include "core/build/image_content.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "core/base/file.h"
#include "core/build/placement.h"
#include "core/image/flatten.h"
#include "core/layer/entry_path.h"
#include "core/source/tar_source.h"

namespace kiln::build {
namespace {

using layer::Entry;
using layer::EntryKind;
using layer::FileTree;

constexpr const char* kTitle = "org.opencontainers.image.title";
// `oras push` gives every file the type of a tar; with this it says which of them it packed.
constexpr const char* kUnpack = "io.deis.oras.content.unpack";

/// True if "tar" is a word of the type: "application/vnd.acme.v1.tar+gzip", "application/x-tar".
bool is_tar_type(std::string_view type) {
  constexpr std::string_view kWord = "tar";
  const auto is_letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  for (auto at = type.find(kWord); at != type.npos; at = type.find(kWord, at + 1)) {
    const auto end = at + kWord.size();
    if ((at == 0 || !is_letter(type[at - 1])) && (end == type.size() || !is_letter(type[end])))
      return true;
  }
  return false;
}

bool is_image(const oci::Manifest& manifest) {
  return manifest.config.media_type == oci::media_type::kOciConfig ||
         manifest.config.media_type == oci::media_type::kDockerConfig;
}

/// Of an artifact; an image's layers are tars.
bool is_file(const oci::Descriptor& layer) {
  if (!is_tar_type(layer.media_type)) return true;
  const auto unpack = layer.annotations.find(kUnpack);
  const bool packed = unpack != layer.annotations.end() && unpack->second == "true";
  return layer.annotations.contains(kTitle) && !packed;
}

Result<oci::Descriptor> choose(const oci::RawManifest& raw) {
  auto index = oci::Index::parse(raw.bytes);
  if (!index) return std::move(index).error();
  std::erase_if(index->manifests, [](const auto& entry) { return oci::is_attestation(entry); });
  if (index->manifests.empty()) return Error(Errc::kNotFound, "the index names no image");
  const oci::Platform usual{"linux", "amd64"};
  const auto fits = [&](const auto& entry) {
    return entry.platform && usual.matches(*entry.platform);
  };
  const auto found = std::find_if(index->manifests.begin(), index->manifests.end(), fits);
  return found == index->manifests.end() ? index->manifests.front() : *found;
}

/// Where `path` leads inside the tree, its symlinks followed.
Result<std::string> resolve(const FileTree& tree, const std::string& path) {
  layer::BaseTree base;
  KILN_TRY(base.apply(index_of(tree)));
  return base.resolve(path, true);
}

/// Moves what is at one path of a tree into a tree of its own.
class Part {
 public:
  /// `root`: where `path` leads; "" is not for us. `name`: what a file there is called.
  Part(const FileTree& whole, std::string root, std::string name)
      : whole_(whole), root_(std::move(root)), prefix_(root_ + "/"), name_(std::move(name)) {}

  Result<FileTree> take() {
    for (const auto& [path, entry] : whole_.entries()) {
      const bool itself = path == root_ && entry.kind != EntryKind::kDirectory;
      if (!itself && !path.starts_with(prefix_)) continue;
      auto moved = entry;
      moved.path = itself ? name_ : path.substr(prefix_.size());
      if (entry.kind == EntryKind::kHardlink) point_at_its_file(moved);
      KILN_TRY(part_.add(std::move(moved)));
    }
    return std::move(part_);
  }

 private:
  /// Where its file stays behind, the first link becomes the file.
  void point_at_its_file(Entry& link) {
    const auto target = link.link_target;
    if (target.starts_with(prefix_)) {
      link.link_target = target.substr(prefix_.size());
      return;
    }
    const auto [first, added] = files_.emplace(target, link.path);
    const auto* file = whole_.find(target);
    if (added && file != nullptr) {
      link = *file;
      link.path = first->second;
    } else {
      link.link_target = first->second;
    }
  }

  const FileTree& whole_;
  std::string root_;
  std::string prefix_;
  std::string name_;
  std::map<std::string, std::string> files_;  ///< Left behind, to the first link here.
  FileTree part_;
};

/// What is at `path` (clean) of the tree, as a tree of its own.
Result<FileTree> part_of(const FileTree& whole, const std::string& path) {
  auto root = resolve(whole, path);
  if (!root) return std::move(root).error();
  if (root->empty()) return whole;
  const auto* top = whole.find(*root);
  auto part = Part(whole, *root, std::string(layer::name_of_path(path))).take();
  if (part && part->empty() && (top == nullptr || top->kind != EntryKind::kDirectory))
    return Error(Errc::kNotFound, "there is no /" + path + " in it");
  return part;
}

/// The tar that `blobs` make together, in a nameless file.
Result<std::shared_ptr<const UniqueFd>> flat_file(const std::vector<layer::Blob>& blobs,
                                                  const std::string& spool_dir) {
  auto file = nameless_file(spool_dir);
  if (!file) return std::move(file).error();
  FdSink sink(file->get());
  KILN_TRY(image::write_flat_tar(blobs, sink));
  return std::make_shared<const UniqueFd>(std::move(*file));
}

Result<Entry> titled_file(const layer::Blob& blob) {
  const auto& descriptor = blob.descriptor();
  const auto title = descriptor.annotations.find(kTitle);
  if (title == descriptor.annotations.end())
    return Error(Errc::kUnsupported, "the artifact's layer " + descriptor.digest.short_hex() +
                                         " (" + descriptor.media_type +
                                         ") is no tar and has no title to be a file by");
  auto path = layer::clean_relative_path(title->second);
  if (!path) return std::move(path).error().while_doing("the title of an artifact's layer");
  Entry entry(std::move(*path), EntryKind::kFile);
  entry.identity = descriptor.digest.str();
  entry.content = layer::FileContent(descriptor.size_bytes, [blob] { return blob.open(); });
  return entry;
}

}  // namespace

Task<Result<source::Content>> ImageContent::fetch() {
  auto path = layer::clean_absolute_path(path_);
  if (!path) co_return std::move(path).error().while_doing(reader_->name());
  auto raw = co_await reader_->top();
  if (!raw) co_return std::move(raw).error();
  const auto revision = raw->digest.str();
  if (oci::media_type::is_index(raw->media_type)) {
    auto entry = choose(*raw);
    if (!entry) co_return std::move(entry).error().while_doing(reader_->name());
    raw = co_await reader_->manifest(std::move(*entry));
    if (!raw) co_return std::move(raw).error();
  }
  if (!oci::media_type::is_manifest(raw->media_type))
    co_return Error(Errc::kUnsupported,
                    reader_->name() + ": indexes within indexes are not supported");
  auto manifest = oci::Manifest::parse(raw->bytes);
  if (!manifest) co_return std::move(manifest).error().while_doing(reader_->name());
  std::vector<layer::Blob> tars;
  std::vector<layer::Blob> files;
  for (const auto& layer : manifest->layers) {
    auto blob = co_await reader_->fetch(layer);
    if (!blob) co_return std::move(blob).error().while_doing(reader_->name());
    const bool file = !is_image(*manifest) && is_file(layer);
    (file ? files : tars).push_back(std::move(*blob));
  }

  auto flatten = [tars, spool = spool_dir_] { return flat_file(tars, spool); };
  auto flat = co_await pool_.run(std::move(flatten));
  if (!flat) co_return std::move(flat).error().while_doing(reader_->name());
  source::TarSource::Open open = [file = *flat]() -> Result<std::unique_ptr<ByteSource>> {
    return std::unique_ptr<ByteSource>(std::make_unique<SharedFileSource>(file));
  };
  source::TarSource whole(reader_->name(), std::move(open), layer::ReadLimits(), spool_dir_, pool_);
  auto content = co_await whole.fetch();
  if (!content) co_return std::move(content).error();
  for (const auto& blob : files) {
    auto entry = titled_file(blob);
    if (!entry) co_return std::move(entry).error().while_doing(reader_->name());
    auto added = content->tree.add(std::move(*entry));
    if (!added) co_return std::move(added).error().while_doing(reader_->name());
  }
  auto cut = [tree = std::make_shared<const FileTree>(std::move(content->tree)), path = *path] {
    return part_of(*tree, path);
  };
  auto part = co_await pool_.run(std::move(cut));
  if (!part) co_return std::move(part).error().while_doing(reader_->name());
  content->tree = std::move(*part);
  content->revision = revision;
  content->identity = source::identity_of(content->tree);
  co_return content;
}

}  // namespace kiln::build
