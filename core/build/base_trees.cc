#include "core/build/base_trees.h"

#include <algorithm>
#include <set>

#include "core/base/sha256.h"
#include "core/build/placement.h"
#include "core/layer/entry_path.h"

namespace kiln::build {
namespace {

using layer::BaseTree;
using layer::EntryKind;
using layer::IndexedEntry;

constexpr std::size_t kMaxFacts = 4096;        // Each some hundred bytes.
constexpr std::size_t kMaxKeptPaths = 40'000;  // About 16 MiB.

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
    const auto target = base_.resolve(path, true);
    targets_[path] = target ? "/" + *target : target.error().message;
    if (target) waiting_.push_back(*target);
  }

  const BaseTree& base_;
  std::vector<std::string> waiting_;
  std::vector<std::string> taken_;
  std::set<std::string> paths_;
  std::map<std::string, std::string> targets_;  ///< Of links: where they lead in the end.
};

/// Two bases whose layers are the same have the same facts.
void add_underlay(TextsDigest& digest, const image::Image& image,
                  const std::vector<std::string>& remove) {
  for (const auto& source : image.layers()) {
    digest.add(source.descriptor.media_type);
    digest.add(source.descriptor.digest.str());
  }
  digest.add(std::to_string(remove.size()));
  for (const auto& path : remove) digest.add(path);
}

std::string key_of(const image::Image& image, const std::vector<std::string>& remove) {
  TextsDigest digest;
  add_underlay(digest, image, remove);
  return digest.finish();
}

std::string key_of(const BuildRequest& request, const image::Image& image) {
  TextsDigest digest;
  add_underlay(digest, image, request.remove);
  for (const auto& content : request.content) digest.add(content.path);
  digest.add(std::to_string(static_cast<int>(request.layers)));
  return digest.finish();
}

}  // namespace

Result<Underlay> without(std::shared_ptr<const BaseTree> base,
                         const std::vector<std::string>& remove) {
  Underlay underlay;
  auto whiteouts = place_whiteouts(remove, *base, underlay.warnings);
  if (!whiteouts) return std::move(whiteouts).error();
  underlay.tree = std::move(base);
  if (whiteouts->empty()) return underlay;
  auto rest = *underlay.tree;
  KILN_TRY(rest.apply(index_of(*whiteouts)));
  underlay.tree = std::make_shared<const BaseTree>(std::move(rest));
  underlay.whiteouts = std::make_shared<const layer::FileTree>(std::move(*whiteouts));
  return underlay;
}

Result<BaseFacts> facts_of(const BuildRequest& request, const Underlay& underlay) {
  const auto& base = *underlay.tree;
  BaseFacts facts;
  facts.warnings = underlay.warnings;
  TextsDigest digest;
  digest.add(source::identity_of(*underlay.whiteouts));
  Reach reach(base);
  for (const auto& content : request.content) {
    auto clean = layer::clean_absolute_path(content.path);
    if (!clean) return std::move(clean).error();
    auto destination = base.resolve(*clean, true);
    if (!destination) return std::move(destination).error();
    reach.add(*destination);
    digest.add(*destination);
  }
  // A link of one layer may lead what the next one has anywhere.
  if (request.layers == LayerPolicy::kPerContent && request.content.size() > 1) reach.add("");
  reach.tell(digest);
  facts.digest = digest.finish();
  return facts;
}

Task<Result<Underlay>> BaseTrees::underlay(image::Image image, registry::Access access,
                                           std::vector<std::string> remove) {
  auto key = key_of(image, remove);
  if (const auto* found = find(key)) co_return *found;
  Underlay whole;
  if (!remove.empty()) {
    auto of_all = co_await underlay(image, access, std::vector<std::string>());
    if (!of_all) co_return of_all;
    whole = std::move(*of_all);
  } else {
    BaseTree tree;
    for (const auto& source : image.layers()) {
      auto index = co_await cache_.layer_index(source, access);
      if (!index) co_return std::move(index).error();
      KILN_CO_TRY(tree.apply(**index));
    }
    whole.tree = std::make_shared<const BaseTree>(std::move(tree));
  }
  auto rest = without(std::move(whole.tree), remove);
  if (rest) keep(std::move(key), *rest);
  co_return rest;
}

const Underlay* BaseTrees::find(const std::string& key) {
  const auto found = underlays_.find(key);
  if (found == underlays_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return &found->second->underlay;
}

void BaseTrees::keep(std::string key, const Underlay& underlay) {
  if (underlay.tree->size() > kMaxKeptPaths || underlays_.contains(key)) return;
  kept_paths_ += underlay.tree->size();
  recent_.push_front(KeptUnderlay{key, underlay});
  underlays_.emplace(std::move(key), recent_.begin());
  while (kept_paths_ > kMaxKeptPaths) {
    const auto& oldest = recent_.back();
    kept_paths_ -= oldest.underlay.tree->size();
    underlays_.erase(oldest.key);
    recent_.pop_back();
  }
}

Task<Result<BaseFacts>> BaseTrees::facts(std::shared_ptr<const BuildRequest> request,
                                         image::Image image) {
  if (const auto found = facts_.find(key_of(*request, image)); found != facts_.end())
    co_return found->second;
  auto below = co_await underlay(image, request->base.access, request->remove);
  if (!below) co_return std::move(below).error();
  co_return facts(*request, image, *below);
}

Result<BaseFacts> BaseTrees::facts(const BuildRequest& request, const image::Image& image,
                                   const Underlay& underlay) {
  const auto key = key_of(request, image);
  if (const auto found = facts_.find(key); found != facts_.end()) return found->second;
  auto facts = facts_of(request, underlay);
  if (!facts) return facts;
  facts_.emplace(key, *facts);
  order_.push_back(key);
  if (order_.size() > kMaxFacts) {
    facts_.erase(order_.front());
    order_.pop_front();
  }
  return facts;
}

}  // namespace kiln::build
