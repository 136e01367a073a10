#include "core/build/image_content.h"

#include <algorithm>

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

bool is_tar(const oci::Descriptor& blob) {
  return oci::media_type::layer_compression(blob.media_type) !=
             oci::media_type::LayerCompression::kUnknown ||
         blob.media_type.find("tar") != std::string::npos;
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
  base.apply(index_of(tree));
  return base.resolve(path, true);
}

/// What is at `path` of the tree, as a tree of its own.
Result<FileTree> part_of(const FileTree& whole, const std::string& path) {
  auto clean = layer::clean_absolute_path(path);
  if (!clean) return std::move(clean).error();
  auto root = resolve(whole, *clean);
  if (!root) return std::move(root).error();
  if (root->empty()) return whole;
  const auto* top = whole.find(*root);
  FileTree part;
  const auto prefix = *root + "/";
  for (const auto& [name, entry] : whole.entries()) {
    const bool itself = name == *root && entry.kind != EntryKind::kDirectory;
    if (!itself && !name.starts_with(prefix)) continue;
    Entry moved = entry;
    moved.path = itself ? std::string(layer::name_of_path(name)) : name.substr(prefix.size());
    if (entry.kind == EntryKind::kHardlink) {
      const auto* file = whole.find(entry.link_target);
      const bool inside = entry.link_target.starts_with(prefix);
      if (inside) {
        moved.link_target = entry.link_target.substr(prefix.size());
      } else if (file != nullptr) {  // Its file stays behind, so the link becomes the file.
        moved = *file;
        moved.path = itself ? std::string(layer::name_of_path(name)) : name.substr(prefix.size());
      }
    }
    KILN_TRY(part.add(std::move(moved)));
  }
  if (part.empty() && (top == nullptr || top->kind != EntryKind::kDirectory))
    return Error(Errc::kNotFound, "there is no " + path + " in it");
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
  auto raw = co_await reader_->top();
  if (!raw) co_return std::move(raw).error();
  const auto revision = raw->digest.str();
  if (oci::media_type::is_index(raw->media_type)) {
    auto entry = choose(*raw);
    if (!entry) co_return std::move(entry).error().while_doing(reader_->name());
    raw = co_await reader_->manifest(std::move(*entry));
    if (!raw) co_return std::move(raw).error();
  }
  auto manifest = oci::Manifest::parse(raw->bytes);
  if (!manifest) co_return std::move(manifest).error().while_doing(reader_->name());
  std::vector<layer::Blob> tars;
  std::vector<layer::Blob> files;
  for (const auto& layer : manifest->layers) {
    auto blob = co_await reader_->fetch(layer);
    if (!blob) co_return std::move(blob).error().while_doing(reader_->name());
    (is_tar(layer) ? tars : files).push_back(std::move(*blob));
  }

  auto flatten = [tars, spool = spool_dir_] { return flat_file(tars, spool); };
  auto flat = co_await pool_.run(std::move(flatten));
  if (!flat) co_return std::move(flat).error().while_doing(reader_->name());
  source::TarSource::Open open = [file = *flat]() -> Result<std::unique_ptr<ByteSource>> {
    return std::unique_ptr<ByteSource>(std::make_unique<SharedFileSource>(file));
  };
  source::TarSource whole(reader_->name(), std::move(open), layer::ReadLimits(), spool_dir_, pool_);
  auto content = co_await whole.fetch();
  if (!content) co_return std::move(content).error().while_doing(reader_->name());
  for (const auto& blob : files) {
    auto entry = titled_file(blob);
    if (!entry) co_return std::move(entry).error().while_doing(reader_->name());
    KILN_CO_TRY(content->tree.add(std::move(*entry)));
  }
  auto part = part_of(content->tree, path_);
  if (!part) co_return std::move(part).error().while_doing(reader_->name());
  content->tree = std::move(*part);
  content->revision = revision;
  content->identity = source::identity_of(content->tree);
  co_return content;
}

}  // namespace kiln::build
