#include "core/build/image_content.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "core/base/file.h"
#include "core/build/placement.h"
#include "core/image/flatten.h"
#include "core/image/merged_tree.h"
#include "core/layer/entry_path.h"
#include "core/layer/layer_index.h"
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
  if (index->manifests.empty()) return Error(Errc::kInvalid, "the index names no image");
  const oci::Platform usual{"linux", "amd64"};
  const auto fits = [&](const auto& entry) {
    return entry.platform && usual.matches(*entry.platform);
  };
  const auto found = std::find_if(index->manifests.begin(), index->manifests.end(), fits);
  return found == index->manifests.end() ? index->manifests.front() : *found;
}

Error too_large(std::string_view what, std::uint64_t count, std::uint64_t most) {
  return {Errc::kInvalid, std::string(what) + " " + std::to_string(count) +
                              ", more than the allowed " + std::to_string(most) +
                              "; copy a smaller part, or a smaller image"};
}

layer::LayerIndex merged_index(const image::MergedTree& tree) {
  layer::LayerIndex index;
  tree.for_each([&index](const std::string& path, const image::MergedTree::File& file) {
    layer::IndexedEntry known;
    known.path = path;
    known.kind = file->kind;
    known.link_target = file->link_target;
    index.entries.push_back(std::move(known));
  });
  return index;
}

/// Where `path` leads in the file system that tars and the files on top make; links are followed.
Result<std::string> resolve(const image::MergedTree& tree, const FileTree& files,
                            const std::string& path) {
  layer::BaseTree base;
  KILN_TRY(base.apply(merged_index(tree)));
  KILN_TRY(base.apply(index_of(files)));
  return base.resolve(path, true);
}

/// Is it what is asked for, or below it? `root`: where the path leads; "" is the whole image.
bool is_at(std::string_view path, std::string_view root) {
  return root.empty() || path == root ||
         (path.starts_with(root) && path.substr(root.size()).starts_with('/'));
}

Result<void> check_size(const image::MergedTree& tree, const std::string& root,
                        const ImageContentLimits& limits) {
  std::size_t paths = 0;
  std::uint64_t bytes = 0;
  std::set<const image::MergedFile*> linked;  // Their bytes count once.
  tree.for_each([&](const std::string& path, const image::MergedTree::File& file) {
    if (!is_at(path, root)) return;
    ++paths;
    if (file.use_count() == 1 || linked.insert(file.get()).second) bytes += file->size_bytes;
  });
  if (paths > limits.paths) return too_large("the number of paths is", paths, limits.paths);
  if (bytes > limits.content_bytes)
    return too_large("the number of bytes in files is", bytes, limits.content_bytes);
  return {};
}

/// What of an image is content, as a tar that stands in a nameless file.
struct Flat {
  std::string root;  ///< Where the path leads.
  std::shared_ptr<const UniqueFd> tar;
};

/// `files` lie on top of what the tars make.
Result<Flat> flatten(const std::vector<layer::Blob>& tars, const FileTree& files,
                     const std::string& path, const std::string& spool_dir,
                     const ImageContentLimits& limits) {
  auto tree = image::MergedTree::of(tars);
  if (!tree) return std::move(tree).error();
  auto root = resolve(*tree, files, path);
  if (!root) return std::move(root).error();
  KILN_TRY(check_size(*tree, *root, limits));
  auto file = nameless_file(spool_dir);
  if (!file) return std::move(file).error();
  FdSink sink(file->get());
  const auto wants = [&root](std::string_view one) { return is_at(one, *root); };
  KILN_TRY(image::write_flat_tar(*tree, tars, wants, sink));
  return Flat{std::move(*root), std::make_shared<const UniqueFd>(std::move(*file))};
}

/// Moves what is at `root` of a tree, and there is nothing else in it, into a tree of its own.
/// `path`: how it was asked for; a file is called so.
Result<FileTree> part_of(const FileTree& whole, const std::string& root, const std::string& path) {
  if (root.empty()) return whole;
  FileTree part;
  for (const auto& [name, entry] : whole.entries()) {
    const bool itself = name == root;
    if (itself && entry.kind == EntryKind::kDirectory) continue;
    auto moved = entry;
    moved.path = itself ? std::string(layer::name_of_path(path)) : name.substr(root.size() + 1);
    if (entry.kind == EntryKind::kHardlink)
      moved.link_target = entry.link_target.substr(root.size() + 1);
    KILN_TRY(part.add(std::move(moved)));
  }
  const auto* top = whole.find(root);
  if (part.empty() && (top == nullptr || top->kind != EntryKind::kDirectory))
    return Error(Errc::kInvalid, "there is no /" + path + " in it");
  return part;
}

/// The files of an artifact: a name of a layer each, the bytes of all of them in one nameless file.
class TitledFiles {
 public:
  explicit TitledFiles(UniqueFd file)
      : file_(std::make_shared<const UniqueFd>(std::move(file))), sink_(file_->get()) {}

  Result<void> add(const layer::Blob& blob) {
    const auto& descriptor = blob.descriptor();
    const auto title = descriptor.annotations.find(kTitle);
    if (title == descriptor.annotations.end())
      return Error(Errc::kUnsupported, "the artifact's layer " + descriptor.digest.short_hex() +
                                           " (" + descriptor.media_type +
                                           ") is no tar and has no title to be a file by");
    auto path = layer::clean_relative_path(title->second);
    if (!path) return std::move(path).error().while_doing("the title of an artifact's layer");
    auto bytes = blob.open();
    if (!bytes) return std::move(bytes).error();
    KILN_TRY(copy_all(**bytes, sink_));
    const auto size = descriptor.size_bytes;
    Entry entry(std::move(*path), EntryKind::kFile);
    entry.identity = descriptor.digest.str();
    entry.content = layer::FileContent(size, [file = file_, begin = end_, size] {
      return Result<std::unique_ptr<ByteSource>>(
          std::make_unique<SharedFileSource>(file, begin, size));
    });
    end_ += size;
    return tree_.add(std::move(entry));
  }
  FileTree take() { return std::move(tree_); }

 private:
  std::shared_ptr<const UniqueFd> file_;  // Shared with every content that stands in it.
  FdSink sink_;
  std::uint64_t end_ = 0;
  FileTree tree_;
};

}  // namespace

/// What an image or artifact brings: tars, lowest first, and files on top of them.
struct ImageContent::Layers {
  std::vector<layer::Blob> tars{};
  FileTree files{};
};

/// The manifest that the image's name stands for, or the one of its platforms that is taken.
Task<Result<oci::Manifest>> ImageContent::manifest() {
  auto raw = co_await reader_->top();
  if (!raw) co_return std::move(raw).error();
  revision_ = raw->digest.str();
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
  co_return manifest;
}

Task<Result<ImageContent::Layers>> ImageContent::read_layers(oci::Manifest manifest) {
  std::uint64_t bytes = 0;
  for (const auto& layer : manifest.layers) {
    bytes += std::min(layer.size_bytes, limits_.download_bytes + 1);
    if (bytes > limits_.download_bytes)
      co_return too_large("the number of bytes in layers is at least", bytes,
                          limits_.download_bytes);
  }
  auto file = nameless_file(spool_dir_);
  if (!file) co_return std::move(file).error();
  const auto files = std::make_shared<TitledFiles>(std::move(*file));
  Layers layers;
  for (const auto& layer : manifest.layers) {
    const bool is_titled = !is_image(manifest) && is_file(layer);
    if (!is_titled && layers.tars.size() == limits_.tars)
      co_return too_large("the number of layers is at least", limits_.tars + 1, limits_.tars);
    auto blob = co_await reader_->fetch(layer);
    if (!blob) co_return std::move(blob).error();
    if (!is_titled) {
      layers.tars.push_back(std::move(*blob));
      continue;
    }
    auto add = [files, one = std::move(*blob)] { return files->add(one); };
    KILN_CO_TRY(co_await pool_.run(std::move(add)));
  }
  layers.files = files->take();
  co_return layers;
}

Task<Result<source::Content>> ImageContent::read_part(Layers layers, std::string path) {
  auto work = [layers, path, spool = spool_dir_, limits = limits_] {
    return flatten(layers.tars, layers.files, path, spool, limits);
  };
  auto flat = co_await pool_.run(std::move(work));
  if (!flat) co_return std::move(flat).error();
  layers.tars.clear();
  source::TarSource::Open open = [tar = std::move(flat->tar)] {
    return Result<std::unique_ptr<ByteSource>>(std::make_unique<SharedFileSource>(tar));
  };
  auto tar = std::make_shared<source::TarSource>("its files", std::move(open), layer::ReadLimits(),
                                                 spool_dir_, pool_);
  auto content = co_await tar->fetch();
  if (!content) co_return std::move(content).error();
  for (const auto& [name, entry] : layers.files.entries())
    if (is_at(name, flat->root)) KILN_CO_TRY(content->tree.add(entry));
  auto cut = [tree = std::make_shared<const FileTree>(std::move(content->tree)), root = flat->root,
              path] { return part_of(*tree, root, path); };
  auto part = co_await pool_.run(std::move(cut));
  if (!part) co_return std::move(part).error();
  content->tree = std::move(*part);
  content->identity = source::identity_of(content->tree);
  co_return content;
}

Task<Result<source::Content>> ImageContent::fetch() {
  auto path = layer::clean_absolute_path(path_);
  if (!path) co_return std::move(path).error().while_doing(reader_->name());
  auto chosen = co_await manifest();
  if (!chosen) co_return std::move(chosen).error();
  auto layers = co_await read_layers(std::move(*chosen));
  if (!layers) co_return std::move(layers).error().while_doing(reader_->name());
  auto content = co_await read_part(std::move(*layers), std::move(*path));
  if (!content) co_return std::move(content).error().while_doing(reader_->name());
  content->revision = revision_;
  co_return content;
}

}  // namespace kiln::build
