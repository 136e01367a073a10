#include "core/build/base_trees.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/base/sha256.h"
#include "core/build/placement.h"
#include "core/layer/entry_path.h"
#include "core/layer/path_walk.h"

namespace kiln::build {
namespace {

using layer::BaseTree;
using layer::EntryKind;
using layer::IndexedEntry;

constexpr std::size_t kMaxKept = 4096;
constexpr std::uint64_t kMaxKeptBytes = 8 * 1024 * 1024;

/// A digest over a list of texts, which may hold any bytes. Not one text can pass for two.
class TextsDigest {
 public:
  void add(std::string_view text) {
    hash_.update(std::to_string(text.size()) + ":");
    hash_.update(text);
  }
  std::string finish() { return hash_.finish_hex(); }

 private:
  Sha256 hash_;
};

/// Of a file nothing matters but that it is no directory: what is put there takes its place.
std::string fact(const IndexedEntry* entry) {
  if (entry == nullptr) return "-";
  if (entry->kind == EntryKind::kSymlink) return "link " + entry->link_target;
  if (entry->kind != EntryKind::kDirectory) return "file";
  return "directory " + std::to_string(entry->mode) + " " + std::to_string(entry->uid) + ":" +
         std::to_string(entry->gid);
}

/// Everything that content below some directories can meet: what is there, what is above, and the
/// same where links lead from there.
class Reach {
 public:
  explicit Reach(const BaseTree& base) : base_(base) {}

  void add(const std::string& directory) {
    waiting_.push_back(directory);
    while (!waiting_.empty()) {
      const auto next = std::move(waiting_.back());
      waiting_.pop_back();
      if (!covered(next)) take(next);
    }
  }

  /// Where `path` leads.
  Result<std::string> resolve(std::string_view path) {
    return layer::walk_path(path, true,
                            [this](const std::string& at) -> std::optional<layer::PathStep> {
                              walked_.insert(at);
                              const auto* entry = base_.find(at);
                              if (entry == nullptr) return std::nullopt;
                              return layer::PathStep{entry->kind, entry->link_target};
                            });
  }

  /// All that was looked at.
  BaseTree tree() const {
    auto all = paths_;
    all.insert(walked_.begin(), walked_.end());
    return base_.only(all);
  }

  void tell(TextsDigest& digest) const {
    digest.add(std::to_string(paths_.size()));
    for (const auto& path : paths_) {
      digest.add(path);
      digest.add(fact(base_.find(path)));
    }
    for (const auto& [link, target] : targets_) {
      digest.add(link);
      digest.add(target);
    }
  }

 private:
  bool covered(const std::string& path) const {
    return std::any_of(taken_.begin(), taken_.end(), [&](const std::string& above) {
      return above.empty() || path == above || path.starts_with(above + "/");
    });
  }
  void take(const std::string& directory) {
    taken_.push_back(directory);
    for (std::string_view path = directory; paths_.emplace(path).second && !path.empty();)
      path = layer::parent_of(path);
    follow(directory);
    for (const auto* entry : base_.below(directory)) {
      paths_.insert(entry->path);
      follow(entry->path);
    }
  }
  void follow(const std::string& path) {
    const auto* entry = base_.find(path);
    if (entry == nullptr || entry->kind != EntryKind::kSymlink) return;
    const auto target = resolve(path);
    targets_[path] = target ? "/" + *target : target.error().message;
    if (target) waiting_.push_back(*target);
  }

  const BaseTree& base_;
  std::vector<std::string> waiting_;
  std::vector<std::string> taken_;
  std::set<std::string> paths_;
  std::set<std::string> walked_;                ///< On the way to where links lead.
  std::map<std::string, std::string> targets_;  ///< Of links: where they lead in the end.
};

/// Two bases whose layers are the same have the same facts.
std::string key_of(const BuildRequest& request, const image::Image& image) {
  TextsDigest digest;
  for (const auto& source : image.layers()) {
    digest.add(source.descriptor.media_type);
    digest.add(source.descriptor.digest.str());
  }
  digest.add(std::to_string(request.remove.size()));
  for (const auto& path : request.remove) digest.add(path);
  for (const auto& content : request.content) digest.add(content.path);
  digest.add(std::to_string(static_cast<int>(request.layers)));
  return digest.finish();
}

Result<BaseTree> merge(const std::vector<std::shared_ptr<const layer::LayerIndex>>& layers) {
  BaseTree tree;
  for (const auto& layer : layers) KILN_TRY(tree.apply(*layer));
  return tree;
}

/// Is it put together faster than another thread is woken? Links are not counted on: one entry can
/// go through many.
bool is_little(const BuildRequest& request,
               const std::vector<std::shared_ptr<const layer::LayerIndex>>& layers) {
  constexpr std::size_t kFewPaths = 100;
  constexpr std::size_t kFewBytes = 8 * 1024;
  std::size_t paths = request.remove.size() + request.content.size();
  std::size_t bytes = 0;
  for (const auto& layer : layers) {
    paths += layer->entries.size();
    if (paths > kFewPaths) return false;
    for (const auto& entry : layer->entries) {
      if (entry.kind == EntryKind::kSymlink || entry.kind == EntryKind::kHardlink) return false;
      bytes += entry.path.size();
    }
  }
  return paths <= kFewPaths && bytes <= kFewBytes;
}

std::uint64_t memory_of(const BaseFacts& facts) {
  constexpr std::uint64_t kWithoutPaths = 1024;
  std::uint64_t bytes = kWithoutPaths + facts.underlay.tree->cost_bytes();
  for (const auto& warning : facts.underlay.warnings) bytes += warning.size();
  for (const auto& [path, entry] : facts.underlay.whiteouts->entries())
    bytes += sizeof(entry) + 2 * path.size();
  return bytes;
}

}  // namespace

Result<Underlay> without(BaseTree base, const std::vector<std::string>& remove) {
  Underlay underlay;
  auto whiteouts = place_whiteouts(remove, base, underlay.warnings);
  if (!whiteouts) return std::move(whiteouts).error();
  if (!whiteouts->empty()) KILN_TRY(base.apply(index_of(*whiteouts)));
  underlay.tree = std::make_shared<const BaseTree>(std::move(base));
  underlay.whiteouts = std::make_shared<const layer::FileTree>(std::move(*whiteouts));
  return underlay;
}

Result<BaseFacts> facts_of(const BuildRequest& request, const Underlay& whole) {
  const auto& base = *whole.tree;
  BaseFacts facts;
  facts.underlay = whole;
  TextsDigest digest;
  digest.add(source::identity_of(*whole.whiteouts));
  Reach reach(base);
  for (const auto& content : request.content) {
    auto clean = layer::clean_absolute_path(content.path);
    if (!clean) return std::move(clean).error();
    auto destination = reach.resolve(*clean);
    if (!destination) return std::move(destination).error();
    reach.add(*destination);
    digest.add(*destination);
  }
  // A link of one layer may lead what the next one has anywhere.
  if (request.layers == LayerPolicy::kPerContent && request.content.size() > 1) reach.add("");
  reach.tell(digest);
  facts.digest = digest.finish();
  facts.underlay.tree = std::make_shared<const BaseTree>(reach.tree());
  return facts;
}

BaseTrees::BaseTrees(BaseCache& cache, WorkPool& pool, const Clock& clock)
    : cache_(cache),
      pool_(pool),
      under_way_(clock, std::chrono::milliseconds(0)),
      kept_(kMaxKeptBytes, kMaxKept) {}

Task<Result<BaseTrees::Layers>> BaseTrees::layers(image::Image image, registry::Access access) {
  Layers all;
  for (const auto& source : image.layers()) {
    auto index = co_await cache_.layer_index(source, access);
    if (!index) co_return std::move(index).error();
    all.push_back(std::move(*index));
  }
  co_return all;
}

Task<Result<BaseTree>> BaseTrees::tree(image::Image image, registry::Access access) {
  auto all = co_await layers(std::move(image), std::move(access));
  if (!all) co_return std::move(all).error();
  auto work = [all = std::move(*all)] { return merge(all); };
  co_return co_await pool_.run(std::move(work));
}

Task<Result<BaseFacts>> BaseTrees::facts(std::shared_ptr<const BuildRequest> request,
                                         image::Image image) {
  const auto key = key_of(*request, image);
  if (const auto* kept = kept_.find(key)) co_return *kept;
  // Each by its own right to read them.
  auto all = co_await layers(std::move(image), request->base.access);
  if (!all) co_return std::move(all).error();
  if (const auto* kept = kept_.find(key)) co_return *kept;  // Worked out meanwhile.
  SharedAnswers<BaseFacts>::Ask ask = [this, request, all = std::move(*all)] {
    return work_out(request, all);
  };
  auto facts = co_await under_way_.get(key, std::string(), under_way_.kAnyAge, std::move(ask));
  if (!facts) co_return facts;
  const auto bytes = memory_of(*facts);
  if (bytes <= kMaxKeptBytes) kept_.put(key, *facts, bytes);
  co_return facts;
}

Task<Result<BaseFacts>> BaseTrees::work_out(std::shared_ptr<const BuildRequest> request,
                                            Layers layers) {
  const bool little = is_little(*request, layers);
  auto work = [request = std::move(request), all = std::move(layers)]() -> Result<BaseFacts> {
    auto whole = merge(all);
    if (!whole) return std::move(whole).error();
    auto underlay = without(std::move(*whole), request->remove);
    if (!underlay) return std::move(underlay).error();
    return facts_of(*request, *underlay);
  };
  if (little) co_return work();
  co_return co_await pool_.run(std::move(work));
}

}  // namespace kiln::build
