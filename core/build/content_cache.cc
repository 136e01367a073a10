#include "core/build/content_cache.h"

#include <utility>

#include "core/build/registry_reader.h"

namespace kiln::build {
namespace {

constexpr std::chrono::milliseconds kNotKept{0};
/// A registry that answers nonsense may do better later.
constexpr std::chrono::hours kFailureKept{1};

/// It is the image that is wrong, and its digest says that it stays so.
bool is_for_good(const Error& error) {
  return error.code == Errc::kInvalid || error.code == Errc::kUnsupported;
}

std::size_t paths_of(const Result<source::Content>& outcome) {
  return outcome ? outcome->tree.size() : 0;
}

std::uint64_t bytes_of(const Result<source::Content>& outcome) {
  return outcome ? outcome->tree.content_bytes() : 0;
}

source::Content unread(const source::KnownContent& known) {
  source::Content content;
  content.unread = true;
  content.revision = known.revision;
  content.identity = known.identity;
  return content;
}

}  // namespace

ContentCache::ContentCache(BaseCache& bases, registry::Client& registry, WorkPool& pool,
                           const Clock& clock, std::string spool_dir, ContentCacheLimits limits)
    : bases_(bases),
      registry_(registry),
      pool_(pool),
      clock_(clock),
      spool_dir_(std::move(spool_dir)),
      limits_(limits),
      under_way_(clock, kNotKept) {}

Task<Result<source::Content>> ContentCache::fetch(ImageContentRequest request) {
  const auto& known = request.known;
  if (const auto& digest = request.reference.digest(); digest && known)
    if (digest->str() == known->revision) co_return unread(*known);
  // Of a digest, too: it says whether these credentials may still read it.
  auto now = co_await bases_.resolve(request.reference, request.access, request.max_age);
  if (!now) co_return std::move(now).error();
  if (known && now->digest.str() == known->revision) co_return unread(*known);
  request.reference = request.reference.with_digest(now->digest);
  const auto key = question(request.reference.str() + " " + request.path,
                            request.reference.repository(), request.access);
  if (const auto kept = find(key)) co_return *kept;
  SharedAnswers<Outcome>::Ask ask = [this, key, request] { return read(key, request); };
  auto outcome = co_await under_way_.get(key, std::string(), under_way_.kAnyAge, std::move(ask));
  if (!outcome) co_return std::move(outcome).error();
  co_return **outcome;
}

Task<Result<ContentCache::Outcome>> ContentCache::read(std::string key,
                                                       ImageContentRequest request) {
  std::shared_ptr<store::ImageReader> reader =
      registry_reader(bases_, registry_, request.reference, request.access, spool_dir_);
  ImageContent image(std::move(reader), request.path, spool_dir_, pool_, limits_.image);
  auto content = co_await image.fetch();
  if (!content && !is_for_good(content.error())) co_return std::move(content).error();
  auto outcome = std::make_shared<const Result<source::Content>>(std::move(content));
  keep(key, outcome);
  co_return Outcome(outcome);
}

ContentCache::Outcome ContentCache::find(const std::string& key) {
  const auto found = kept_.find(key);
  if (found == kept_.end()) return nullptr;
  const auto outcome = found->second.outcome;
  if (outcome->has_error() && clock_.steady_now() - found->second.since > kFailureKept) {
    drop(found);
    return nullptr;
  }
  order_.splice(order_.end(), order_, found->second.order);
  return outcome;
}

void ContentCache::keep(const std::string& key, Outcome outcome) {
  if (const auto before = kept_.find(key); before != kept_.end()) drop(before);
  const auto paths = paths_of(*outcome);
  const auto bytes = bytes_of(*outcome);
  if (paths > limits_.paths || bytes > limits_.bytes) return;
  while (!order_.empty() && (kept_.size() >= limits_.contents || paths_ + paths > limits_.paths ||
                             bytes_ + bytes > limits_.bytes))
    drop(kept_.find(order_.front()));
  order_.push_back(key);
  kept_.emplace(key, Kept{std::move(outcome), clock_.steady_now(), std::prev(order_.end())});
  paths_ += paths;
  bytes_ += bytes;
}

void ContentCache::drop(std::map<std::string, Kept>::iterator kept) {
  paths_ -= paths_of(*kept->second.outcome);
  bytes_ -= bytes_of(*kept->second.outcome);
  order_.erase(kept->second.order);
  kept_.erase(kept);
}

}  // namespace kiln::build
