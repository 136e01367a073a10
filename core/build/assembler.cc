#include "core/build/assembler.h"

#include <algorithm>
#include <set>

#include "core/base/memory.h"
#include "core/build/layer_cut.h"
#include "core/build/listed_layers.h"
#include "core/build/placement.h"
#include "core/layer/entry_path.h"

namespace kiln::build {
namespace {

source::LateIdentities late_ones(const std::vector<FetchedContent>& content) {
  source::LateIdentities late;
  for (const auto& one : content)
    if (one.content.late) late.push_back(one.content.late);
  return late;
}

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

Result<LayerDrafts> cut(layer::FileTree tree, const std::string& line) {
  const auto entries = tree.size();
  auto parts = cut_into_layers(std::move(tree));
  if (!parts) return std::move(parts).error();
  give_memory_back_after(entries);  // Planning takes more than what is left of it.
  LayerDrafts drafts;
  for (auto& part : *parts)
    drafts.push_back(std::make_shared<LayerDraft>(std::move(part),
                                                  line + part_of(drafts.size(), parts->size())));
  return drafts;
}

Result<LayerDrafts> draft_content(const BuildRequest& request,
                                  const std::vector<FetchedContent>& content,
                                  const layer::BaseTree& underlay) {
  const auto line = "kiln content" + listed(destinations(request));
  if (content.size() == 1 && request.layers == LayerPolicy::kAuto)
    if (auto drafts = listed_layers(request, 0, content[0].content, underlay, line))
      return std::move(*drafts);
  LayerDrafts drafts;
  auto tree = std::make_shared<layer::FileTree>();
  std::optional<layer::BaseTree> higher;  // With the layers that were made so far.
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto& wanted = request.content[i];
    const auto& below = higher ? *higher : underlay;
    auto placed = place_content(content[i].content, wanted.path, wanted.ownership, below, *tree);
    if (!placed) {
      auto error = std::move(placed).error();
      error.message += opponent_of(request, content, i, below);
      return std::move(error).while_doing(name_of_content(request, i));
    }
    if (request.layers != LayerPolicy::kPerContent || tree->empty()) continue;
    if (i + 1 < content.size()) {
      if (!higher) higher = underlay;
      KILN_TRY(higher->apply(index_of(*tree)));
    }
    drafts.push_back(std::make_shared<LayerDraft>(tree, "kiln content " + wanted.path));
    tree = std::make_shared<layer::FileTree>();
  }
  if (tree->empty()) return drafts;
  if (request.layers == LayerPolicy::kAuto) return cut(std::move(*tree), line);
  drafts.push_back(std::make_shared<LayerDraft>(tree, line));
  return drafts;
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

/// On `underlay`, which is without `removed`.
Result<LayerDrafts> draft_layers(const BuildRequest& request,
                                 const std::vector<FetchedContent>& content,
                                 const Underlay& underlay,
                                 const std::vector<std::string>& removed) {
  // A layer of their own below the content: in one layer with it, overlayfs-based unpackers would
  // lose a directory's whiteout when the same layer makes the directory again.
  LayerDrafts drafts;
  if (!underlay.whiteouts->empty())
    drafts.push_back(
        std::make_shared<LayerDraft>(underlay.whiteouts, "kiln remove" + listed(removed)));
  auto of_content = draft_content(request, content, *underlay.tree);
  if (!of_content) return std::move(of_content).error();
  drafts.insert(drafts.end(), of_content->begin(), of_content->end());
  return drafts;
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
    Underlay underlay;
    auto removed = request->remove;
    std::string facts_digest;
    bool planned = !touches_files(*request, *content);
    if (!planned && !deletes(*content)) {
      auto facts = co_await trees.facts(request, platform.image);
      // What is wrong is said best where layers are planned on all of the base.
      if (!facts && facts.error().code != Errc::kInvalid) co_return std::move(facts).error();
      planned = facts.has_value();
      if (facts) {
        underlay = std::move(facts->underlay);
        facts_digest = std::move(facts->digest);
      }
    }
    if (!planned) {
      auto whole = co_await trees.tree(platform.image, request->base.access);
      if (!whole) co_return std::move(whole).error();
      auto all = removals(*request, *content, *whole);
      if (!all) co_return std::move(all).error();
      removed = std::move(*all);
      auto rest = without(std::move(*whole), removed);
      if (!rest) co_return std::move(rest).error();
      underlay = std::move(*rest);
    }
    auto drafts = draft_layers(*request, *content, underlay, removed);
    if (!drafts) co_return std::move(drafts).error();
    assembly.warn(underlay.warnings);
    std::vector<std::string> lines;
    for (const auto& draft : *drafts) lines.push_back(draft->created_by);
    auto layers = co_await maker.make(std::move(*drafts), request, ways, made);
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
    assembly.warn(facts->underlay.warnings);
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
