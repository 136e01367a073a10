#include "core/build/assembler.h"

#include <algorithm>
#include <set>

#include "core/base/gather.h"
#include "core/build/layer_cut.h"
#include "core/build/placement.h"
#include "core/layer/entry_path.h"

namespace kiln::build {
namespace {

constexpr std::uint64_t kMaxKeptBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxKeptLayer = 512 * 1024;

/// One layer to be: its files, and the line it gets in the image's history.
struct PlannedLayer {
  std::shared_ptr<const layer::FileTree> tree;  // Shared with the pool while it is compressed.
  std::string created_by;
};

std::string listed(const std::vector<std::string>& paths) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(paths.size(), kShown); ++i) text += " " + paths[i];
  if (paths.size() > kShown) text += " and " + std::to_string(paths.size() - kShown) + " more";
  return text;
}

std::vector<std::string> destinations(const BuildRequest& request) {
  std::vector<std::string> paths;
  for (const auto& content : request.content)
    if (std::find(paths.begin(), paths.end(), content.path) == paths.end())
      paths.push_back(content.path);
  return paths;
}

Result<std::vector<PlannedLayer>> plan_content(const BuildRequest& request,
                                               const std::vector<FetchedContent>& content,
                                               layer::BaseTree below) {
  std::vector<PlannedLayer> planned;
  auto tree = std::make_shared<layer::FileTree>();
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto& wanted = request.content[i];
    auto placed =
        place_content(content[i].content.tree, wanted.path, wanted.ownership, below, *tree);
    if (!placed) return std::move(placed).error().while_doing(name_of_content(request, i));
    if (request.layers != LayerPolicy::kPerContent || tree->empty()) continue;
    KILN_TRY(below.apply(index_of(*tree)));
    planned.push_back(PlannedLayer{tree, "kiln content " + wanted.path});
    tree = std::make_shared<layer::FileTree>();
  }
  if (tree->empty()) return planned;
  const auto line = "kiln content" + listed(destinations(request));
  if (request.layers != LayerPolicy::kAuto) {
    planned.push_back(PlannedLayer{tree, line});
    return planned;
  }
  auto parts = cut_into_layers(tree);
  if (!parts) return std::move(parts).error();
  for (std::size_t i = 0; i < parts->size(); ++i) {
    auto part = parts->size() == 1
                    ? ""
                    : " (" + std::to_string(i + 1) + " of " + std::to_string(parts->size()) + ")";
    planned.push_back(PlannedLayer{std::move((*parts)[i]), line + part});
  }
  return planned;
}

/// All paths to take away: those of the request, and those that content deletes (a tar's
/// whiteouts), where it goes. `base`: for what is in a directory that content empties.
Result<std::vector<std::string>> removals(const BuildRequest& request,
                                          const std::vector<FetchedContent>& content,
                                          const layer::BaseTree& base) {
  auto paths = request.remove;
  for (std::size_t i = 0; i < content.size(); ++i) {
    auto destination = layer::clean_absolute_path(request.content[i].path);
    if (!destination)
      return std::move(destination).error().while_doing(name_of_content(request, i));
    for (const auto& removed : content[i].content.removed)
      paths.push_back("/" + layer::join_path(*destination, removed));
    for (const auto& emptied : content[i].content.emptied) {
      auto directory = base.resolve(layer::join_path(*destination, emptied), true);
      if (!directory) return std::move(directory).error().while_doing(name_of_content(request, i));
      for (const auto* entry : base.below(*directory))
        if (layer::parent_of(entry->path) == *directory) paths.push_back("/" + entry->path);
    }
  }
  return paths;
}

/// `below`: what the base's layers make together.
Result<std::vector<PlannedLayer>> plan_layers(const BuildRequest& request,
                                              const std::vector<FetchedContent>& content,
                                              layer::BaseTree below,
                                              std::vector<std::string>& warnings) {
  auto remove = removals(request, content, below);
  if (!remove) return std::move(remove).error();
  auto whiteouts = place_whiteouts(*remove, below, warnings);
  if (!whiteouts) return std::move(whiteouts).error();
  // A layer of their own below the content: in one layer with it, overlayfs-based unpackers would
  // lose a directory's whiteout when the same layer makes the directory again.
  std::vector<PlannedLayer> planned;
  if (!whiteouts->empty()) {
    KILN_TRY(below.apply(index_of(*whiteouts)));
    planned.push_back(PlannedLayer{std::make_shared<layer::FileTree>(std::move(*whiteouts)),
                                   "kiln remove" + listed(*remove)});
  }
  auto layers = plan_content(request, content, std::move(below));
  if (!layers) return std::move(layers).error();
  planned.insert(planned.end(), layers->begin(), layers->end());
  return planned;
}

Task<Result<layer::BaseTree>> read_base_tree(BaseCache& cache, image::Image image,
                                             registry::Access access) {
  layer::BaseTree tree;
  for (const auto& source : image.layers()) {
    auto index = co_await cache.layer_index(source, access);
    if (!index) co_return std::move(index).error();
    KILN_CO_TRY(tree.apply(**index));
  }
  co_return tree;
}

bool touches_files(const BuildRequest& request, const std::vector<FetchedContent>& content) {
  const auto has_files = [](const FetchedContent& one) {
    return !one.content.tree.empty() || !one.content.removed.empty() ||
           !one.content.emptied.empty();
  };
  return !request.remove.empty() || std::any_of(content.begin(), content.end(), has_files);
}

image::Image finished(image::Image image, const BuildRequest& request) {
  auto config = image.config().with_patch(request.config).with_created(request.created);
  if (!request.config.empty()) {
    const oci::HistoryEntry line{request.created, "kiln config", "", true};
    config = config.with_empty_history(line);
  }
  return image.with_config(std::move(config)).with_annotations(request.annotations);
}

Error missing_platform(const BuildRequest& request, const ResolvedImage& base) {
  const auto name =
      request.base.reader ? request.base.reader->name() : request.base.reference->str();
  return {Errc::kInvalid,
          "the base " + name + " has no image for " + base.missing_platforms.front().str()};
}

}  // namespace

Task<Result<layer::Layer>> LayerMaker::make_one(std::string key,
                                                std::shared_ptr<const layer::FileTree> tree,
                                                layer::LayerOptions options) {
  if (const auto found = kept_.find(key); found != kept_.end()) co_return found->second;
  auto work = [tree, options] { return layer::make_layer(*tree, options); };
  auto made = co_await pool_.run(std::move(work));
  if (made) keep(key, *made);
  co_return made;
}

Task<Result<std::vector<layer::Layer>>> LayerMaker::make(
    Trees trees, std::shared_ptr<const BuildRequest> request, Made& made) {  // NOLINT: see Lifetime
  layer::LayerOptions options;
  options.compression = request->compression;
  options.timestamps = request->timestamps;
  options.docker_media_types = request->docker_media_types;
  options.spool_dir = spool_dir_;
  const auto how = " " + layer::encoder_id(request->compression) + " " +
                   std::to_string(static_cast<int>(request->timestamps.kind)) + " " +
                   std::to_string(request->timestamps.fixed) +
                   (request->docker_media_types ? " docker" : "");
  std::vector<std::string> keys;
  std::vector<std::string> missing;
  Trees to_make;
  for (auto& tree : trees) {
    keys.push_back(source::identity_of(*tree) + how);
    const auto& key = keys.back();
    if (made.contains(key) || std::find(missing.begin(), missing.end(), key) != missing.end())
      continue;
    missing.push_back(key);
    to_make.push_back(std::move(tree));
  }
  options.progress = watch(to_make);
  std::vector<Task<Result<layer::Layer>>> tasks;
  for (std::size_t i = 0; i < missing.size(); ++i)
    tasks.push_back(make_one(missing[i], std::move(to_make[i]), options));
  options.progress = {};  // The tasks have it.
  auto layers = co_await gather(std::move(tasks), pool_.threads());
  if (!layers) co_return std::move(layers).error();
  for (std::size_t i = 0; i < missing.size(); ++i)
    made.emplace(std::move(missing[i]), std::move((*layers)[i]));
  std::vector<layer::Layer> all;
  for (const auto& key : keys) all.push_back(made.at(key));
  co_return all;
}

layer::Progress LayerMaker::watch(const Trees& trees) const {
  std::uint64_t total = 0;
  for (const auto& tree : trees) total += tree->content_bytes();
  return watch_ && total > 0 ? watch_(total) : layer::Progress();
}

void LayerMaker::keep(const std::string& key, const layer::Layer& layer) {
  const auto size = layer.blob.descriptor().size_bytes;
  if (size > kMaxKeptLayer || !kept_.emplace(key, layer).second) return;
  order_.push_back(key);
  kept_bytes_ += size;
  while (kept_bytes_ > kMaxKeptBytes && order_.size() > 1) {
    const auto oldest = kept_.find(order_.front());
    kept_bytes_ -= oldest->second.blob.descriptor().size_bytes;
    kept_.erase(oldest);
    order_.pop_front();
  }
}

Task<Result<Assembled>> assemble(BaseCache& cache, LayerMaker& maker,
                                 std::shared_ptr<const BuildRequest> request,
                                 std::shared_ptr<const ResolvedImage> base,
                                 std::shared_ptr<const std::vector<FetchedContent>> content) {
  if (!base->missing_platforms.empty()) co_return missing_platform(*request, *base);
  Assembled result;
  LayerMaker::Made made;  // Platforms share what is equal.
  std::set<std::string> seen_layers;
  std::set<std::string> seen_warnings;
  result.images.docker_media_types = request->docker_media_types;
  result.images.as_index = base->platforms.size() > 1;
  if (result.images.as_index) result.images.annotations = request->annotations;
  for (const auto& platform : base->platforms) {
    layer::BaseTree below;
    if (touches_files(*request, *content)) {
      auto read = co_await read_base_tree(cache, platform.image, request->base.access);
      if (!read) co_return std::move(read).error();
      below = std::move(*read);
    }
    std::vector<std::string> warnings;
    auto planned = plan_layers(*request, *content, std::move(below), warnings);
    if (!planned) co_return std::move(planned).error();
    for (auto& warning : warnings)
      if (seen_warnings.insert(warning).second) result.warnings.push_back(std::move(warning));
    auto image = platform.image.with_media_types(request->docker_media_types);
    LayerMaker::Trees trees;
    for (const auto& one : *planned) trees.push_back(one.tree);
    auto layers = co_await maker.make(std::move(trees), request, made);
    if (!layers) co_return std::move(layers).error().while_doing("making a layer");
    for (std::size_t i = 0; i < layers->size(); ++i) {
      const auto& layer = (*layers)[i];
      const oci::HistoryEntry line{request->created, (*planned)[i].created_by};
      image = image.with_layer(layer, line);
      if (seen_layers.insert(layer.diff_id.hex()).second) result.layers.push_back(layer);
    }
    result.images.images.push_back(finished(std::move(image), *request));
  }
  co_return result;
}

}  // namespace kiln::build
