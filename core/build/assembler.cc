#include "core/build/assembler.h"

#include <algorithm>
#include <set>

#include "core/base/gather.h"
#include "core/base/memory.h"
#include "core/build/layer_cut.h"
#include "core/build/placement.h"
#include "core/layer/encoder_version.h"
#include "core/layer/entry_path.h"

namespace kiln::build {
namespace {

constexpr std::uint64_t kMaxKeptBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxKeptLayer = 512 * 1024;
constexpr std::size_t kMaxKeptLayers = 256;  // Small ones are made as fast as they are found.
constexpr std::uint64_t kMemoryOfTaken = 8 * 1024 * 1024;  // Of each of the few that wait.
constexpr std::size_t kTakenBeside = 2;                    // Layers that go, beside those made.
constexpr std::uint64_t kMinRecorded = 256 * 1024;         // What is smaller is made as quickly.

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

/// Which entry before it the entry `index`, which could not be placed, collides with, and what to
/// do; "" where it is none.
std::string opponent_of(const BuildRequest& request, const std::vector<FetchedContent>& content,
                        std::size_t index, const layer::BaseTree& below) {
  if (request.layers == LayerPolicy::kPerContent) return "";  // Then they are not in one layer.
  const auto put = [&](std::size_t i, layer::FileTree& tree) {
    const auto& wanted = request.content[i];
    return place_content(content[i].content, wanted.path, wanted.ownership, below, tree);
  };
  layer::FileTree alone;
  if (!put(index, alone)) return "";
  for (std::size_t i = index; i-- > 0;) {
    layer::FileTree both;
    if (put(i, both) && !put(index, both))
      return "; that is from " + name_of_content(request, i) +
             ": give one of them another path, or leave the file out";
  }
  return "";
}

Result<std::vector<PlannedLayer>> plan_content(const BuildRequest& request,
                                               const std::vector<FetchedContent>& content,
                                               layer::BaseTree below) {
  std::vector<PlannedLayer> planned;
  auto tree = std::make_shared<layer::FileTree>();
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto& wanted = request.content[i];
    auto placed = place_content(content[i].content, wanted.path, wanted.ownership, below, *tree);
    if (!placed) {
      auto error = std::move(placed).error();
      error.message += opponent_of(request, content, i, below);
      return std::move(error).while_doing(name_of_content(request, i));
    }
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
  auto parts = cut_into_layers(std::move(*tree));
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

bool touches_files(const BuildRequest& request, const std::vector<FetchedContent>& content) {
  const auto has_files = [](const FetchedContent& one) {
    return source::has_entries(one.content) || !one.content.removed.empty() ||
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

Task<Result<layer::Layer>> LayerMaker::make_one(std::string key, std::string how,
                                                std::shared_ptr<const layer::FileTree> tree,
                                                layer::LayerOptions options,
                                                std::shared_ptr<const Ways> ways) {
  auto work = [tree, options, key, how, ways,
               records = to_be_recorded(*tree, ways->late) ? records_ : nullptr] {
    auto layer = layer::make_layer(*tree, options);
    if (!layer || !records) return layer;
    // Now that all files are known.
    const auto known = ways->late.empty() ? key : source::identity_of(*tree, ways->late) + how;
    records->keep(known, LayerRecord(*layer));
    return layer;
  };
  auto made = co_await pool_.run(std::move(work));
  if (!made) co_return std::move(made).error().while_doing("making a layer");
  keep(key, *made);
  if (!ways->taker) co_return made;
  KILN_CO_TRY(co_await ways->taker(*made));
  if (made->blob.descriptor().size_bytes <= kMaxKeptLayer) co_return made;
  // Its bytes go: who wants them, which is seldom, waits for them to be made again.
  co_return unmade_.layer(LayerRecord(*made), std::move(tree), std::move(options));
}

layer::LayerOptions LayerMaker::options_for(const BuildRequest& request, const Ways& ways) const {
  layer::LayerOptions options;
  options.compression = request.compression;
  options.timestamps = request.timestamps;
  options.docker_media_types = request.docker_media_types;
  options.spool_dir = spool_dir_;
  if (ways.taker) options.memory_limit_bytes = kMemoryOfTaken;
  return options;
}

/// What the trees are, by all threads of the pool.
Task<Result<std::vector<std::string>>> LayerMaker::identify(Trees trees) {
  std::vector<Task<Result<std::string>>> tasks;
  for (auto& tree : trees) tasks.push_back(identify_one(std::move(tree)));
  co_return co_await gather(std::move(tasks), pool_.threads());
}

Task<Result<std::string>> LayerMaker::identify_one(std::shared_ptr<const layer::FileTree> tree) {
  auto work = [tree] { return source::identity_of(*tree); };
  co_return co_await pool_.run(std::move(work));
}

Task<Result<std::vector<layer::Layer>>> LayerMaker::make(
    Trees trees, std::shared_ptr<const BuildRequest> request, std::shared_ptr<const Ways> ways,
    Made& made) {  // NOLINT: see Lifetime
  auto options = options_for(*request, *ways);
  const auto how = " " + layer::encoder_version(request->compression) + " " +
                   std::to_string(static_cast<int>(request->timestamps.kind)) + " " +
                   std::to_string(request->timestamps.fixed) +
                   (request->docker_media_types ? " docker" : "");
  auto identities = co_await identify(trees);
  if (!identities) co_return std::move(identities).error();
  auto keys = std::move(*identities);
  std::vector<std::string> missing;
  Trees to_make;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    auto& tree = trees[i];
    auto& key = keys[i];
    key += how;
    if (made.contains(key) || std::find(missing.begin(), missing.end(), key) != missing.end())
      continue;
    if (auto found = find(key, tree, options)) {
      made.emplace(key, std::move(*found));
      continue;
    }
    missing.push_back(key);
    to_make.push_back(std::move(tree));
  }
  options.progress = watch(to_make);
  std::vector<Task<Result<layer::Layer>>> tasks;
  for (std::size_t i = 0; i < missing.size(); ++i)
    tasks.push_back(make_one(missing[i], how, std::move(to_make[i]), options, ways));
  options.progress = {};  // The tasks have it.
  auto layers =
      co_await gather(std::move(tasks), pool_.threads() + (ways->taker ? kTakenBeside : 0));
  if (!layers) co_return std::move(layers).error();
  for (std::size_t i = 0; i < missing.size(); ++i)
    made.emplace(std::move(missing[i]), std::move((*layers)[i]));
  std::vector<layer::Layer> all;
  for (const auto& key : keys) all.push_back(made.at(key));
  co_return all;
}

std::optional<layer::Layer> LayerMaker::find(const std::string& key,
                                             const std::shared_ptr<const layer::FileTree>& tree,
                                             const layer::LayerOptions& options) {
  if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  if (!to_be_recorded(*tree, {})) return std::nullopt;
  auto record = records_->find(key);
  if (!record) return std::nullopt;
  return unmade_.layer(std::move(*record), tree, options);
}

/// Only of files that are known by their bytes, or will be: other identities hold for one build.
bool LayerMaker::to_be_recorded(const layer::FileTree& tree,
                                const source::LateIdentities& late) const {
  if (!records_->keeps_any() || tree.content_bytes() < kMinRecorded) return false;
  const auto known = [&](const auto& one) {
    const auto& entry = one.second;
    const auto gave = [&](const auto& giver) { return giver->gave(entry.identity); };
    return entry.kind != layer::EntryKind::kFile || source::is_of_bytes(entry.identity) ||
           std::any_of(late.begin(), late.end(), gave);
  };
  return std::all_of(tree.entries().begin(), tree.entries().end(), known);
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
  while ((kept_bytes_ > kMaxKeptBytes || order_.size() > kMaxKeptLayers) && order_.size() > 1) {
    const auto oldest = kept_.find(order_.front());
    kept_bytes_ -= oldest->second.blob.descriptor().size_bytes;
    kept_.erase(oldest);
    order_.pop_front();
  }
}

image::Image put_on_base(const PlatformImage& base, const std::vector<layer::Layer>& layers,
                         const std::vector<std::string>& lines, const BuildRequest& request) {
  auto image = base.image.with_media_types(request.docker_media_types);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const oci::HistoryEntry line{request.created, lines[i]};
    image = image.with_layer(layers[i], line);
  }
  return finished(std::move(image), request);
}

namespace {

/// What is found out platform by platform.
class Assembly {
 public:
  explicit Assembly(const BuildRequest& request, const ResolvedImage& base) : request_(request) {
    result_.images.docker_media_types = request.docker_media_types;
    result_.images.as_index = base.platforms.size() > 1;
    if (result_.images.as_index) result_.images.annotations = request.annotations;
  }

  void add(const PlatformImage& base, const std::vector<layer::Layer>& layers,
           const std::vector<std::string>& lines) {
    result_.images.images.push_back(put_on_base(base, layers, lines, request_));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (!seen_layers_.insert(layers[i].diff_id.hex()).second) continue;
      result_.layers.push_back(layers[i]);
      result_.lines.push_back(lines[i]);
    }
    counts_.insert(layers.size());
  }
  void warn(const std::vector<std::string>& warnings) {
    for (const auto& warning : warnings)
      if (seen_warnings_.insert(warning).second) result_.warnings.push_back(warning);
  }
  /// All that a platform's layers depend on; "" = it cannot be told.
  void add_facts(const std::string& digest) { facts_.insert(digest); }

  Assembled finish(const std::vector<FetchedContent>& content) {
    // Platforms that differ are no matter for a short cut.
    const bool all_same = facts_.size() == 1 && !facts_.contains("") && counts_.size() == 1 &&
                          *counts_.begin() == result_.layers.size();
    if (all_same)
      result_.layers_key =
          layers_key(request_, content, *facts_.begin(), earlier(result_.layers, result_.lines));
    return std::move(result_);
  }

 private:
  static std::vector<EarlierLayer> earlier(const std::vector<layer::Layer>& layers,
                                           const std::vector<std::string>& lines) {
    std::vector<EarlierLayer> all;
    for (std::size_t i = 0; i < layers.size(); ++i)
      all.emplace_back(layers[i].blob.descriptor(), layers[i].diff_id, lines[i]);
    return all;
  }

  const BuildRequest& request_;
  Assembled result_;
  std::set<std::string> seen_layers_;
  std::set<std::string> seen_warnings_;
  std::set<std::string> facts_;
  std::set<std::size_t> counts_;
};

source::LateIdentities late_ones(const std::vector<FetchedContent>& content) {
  source::LateIdentities late;
  for (const auto& one : content)
    if (one.content.late) late.push_back(one.content.late);
  return late;
}

/// What a tar deletes depends on what the base has there.
bool deletes(const std::vector<FetchedContent>& content) {
  return std::any_of(content.begin(), content.end(), [](const FetchedContent& one) {
    return !one.content.removed.empty() || !one.content.emptied.empty();
  });
}

}  // namespace

Task<Result<Assembled>> assemble(BaseTrees& trees, LayerMaker& maker,
                                 std::shared_ptr<const BuildRequest> request,
                                 std::shared_ptr<const ResolvedImage> base,
                                 std::shared_ptr<const std::vector<FetchedContent>> content,
                                 LayerTaker taker) {
  if (!base->missing_platforms.empty()) co_return missing_platform(*request, *base);
  Assembly assembly(*request, *base);
  LayerMaker::Made made;  // Platforms share what is equal.
  LayerMaker::Ways of_all{late_ones(*content), std::move(taker)};
  const auto ways = std::make_shared<const LayerMaker::Ways>(std::move(of_all));  // By all tasks.
  for (const auto& platform : base->platforms) {
    layer::BaseTree below;
    std::string facts_digest;
    if (touches_files(*request, *content)) {
      auto read = co_await trees.tree(platform.image, request->base.access);
      if (!read) co_return std::move(read).error();
      below = std::move(*read);
    }
    if (touches_files(*request, *content) && !deletes(*content)) {
      const auto facts = trees.facts(*request, platform.image, below);
      // What is wrong is said best where layers are planned.
      if (facts) facts_digest = facts->digest;
    }
    std::vector<std::string> warnings;
    auto planned = plan_layers(*request, *content, std::move(below), warnings);
    if (!planned) co_return std::move(planned).error();
    assembly.warn(warnings);
    LayerMaker::Trees of_layers;
    std::vector<std::string> lines;
    for (const auto& one : *planned) {
      of_layers.push_back(one.tree);
      lines.push_back(one.created_by);
    }
    planned->clear();
    give_memory_back();  // Planning takes more than what is left of it.
    auto layers = co_await maker.make(std::move(of_layers), request, ways, made);
    if (!layers) co_return std::move(layers).error();
    assembly.add_facts(facts_digest);
    assembly.add(platform, *layers, lines);
  }
  co_return assembly.finish(*content);
}

Task<Result<std::optional<Assembled>>> reassemble(
    BaseTrees& trees, std::shared_ptr<const BuildRequest> request,
    std::shared_ptr<const ResolvedImage> base,
    std::shared_ptr<const std::vector<FetchedContent>> content,
    std::shared_ptr<const EarlierLayers> earlier) {
  std::vector<layer::Layer> layers;
  std::vector<std::string> lines;
  for (const auto& one : earlier->layers) {
    layer::Blob elsewhere(one.descriptor, [name = one.descriptor.digest.short_hex()] {
      return Result<std::unique_ptr<ByteSource>>(
          Error(Errc::kInternal, "the layer " + name + " was made by an earlier build"));
    });
    layers.emplace_back(std::move(elsewhere), one.diff_id);
    lines.push_back(one.line);
  }
  Assembly assembly(*request, *base);
  for (const auto& platform : base->platforms) {
    auto facts = co_await trees.facts(request, platform.image);
    if (!facts) co_return std::move(facts).error();
    if (layers_key(*request, *content, facts->digest, earlier->layers) != earlier->key)
      co_return std::optional<Assembled>();
    assembly.warn(facts->warnings);
    assembly.add_facts(facts->digest);
    assembly.add(platform, layers, lines);
  }
  auto assembled = assembly.finish(*content);
  for (auto& image : assembled.images.images) {
    auto sources = image.layers();
    for (std::size_t i = sources.size() - layers.size(); i < sources.size(); ++i) {
      sources[i].blob.reset();
      sources[i].repository = earlier->repository;
    }
    image = image.with_layer_sources(std::move(sources));
  }
  co_return std::optional<Assembled>(std::move(assembled));
}

}  // namespace kiln::build
