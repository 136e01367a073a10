#include "core/build/layer_maker.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "core/base/gather.h"
#include "core/layer/block_deflater.h"
#include "core/layer/encoder_version.h"

namespace kiln::build {
namespace {

constexpr std::uint64_t kMaxKeptBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxKeptLayer = 512 * 1024;
constexpr std::size_t kMaxKeptLayers = 256;  // Small ones are made as fast as they are found.
constexpr std::uint64_t kMemoryOfTaken = 8 * 1024 * 1024;  // Of each of the few that wait.
constexpr std::size_t kTakenBeside = 2;                    // Layers that go, beside those made.
constexpr std::uint64_t kMinTwoThreads = 2 * 1024 * 1024;  // To start one has its price.
constexpr std::uint64_t kMinRecorded = 256 * 1024;         // What is smaller is made as quickly.

/// All but the files that decides what a layer is.
std::string how_made(const BuildRequest& request) {
  return " " + layer::encoder_version(request.compression) + " " +
         std::to_string(static_cast<int>(request.timestamps.kind)) + " " +
         std::to_string(request.timestamps.fixed) + (request.docker_media_types ? " docker" : "");
}

}  // namespace

LayerMaker::LayerMaker(WorkPool& pool, std::string spool_dir, Watch watch,
                       std::shared_ptr<LayerRecords> records)
    : pool_(pool),
      spool_dir_(std::move(spool_dir)),
      watch_(std::move(watch)),
      records_(std::move(records)),
      unmade_(pool, records_),
      kept_(kMaxKeptBytes, kMaxKeptLayers) {}

template <class F>
Task<std::invoke_result_t<F>> LayerMaker::run(bool at_once, F work) {
  if (at_once) co_return work();
  co_return co_await pool_.run(std::move(work));
}

Task<Result<layer::Layer>> LayerMaker::make_one(Missing missing, std::string how,
                                                layer::LayerOptions options,
                                                std::shared_ptr<const Ways> ways) {
  const auto& facts = *missing.draft->facts;
  const bool recorded = facts.will_be_known && is_worth_a_record(facts);
  auto work = [draft = missing.draft, options, key = missing.key, how, ways,
               records = recorded ? records_ : nullptr]() -> Result<layer::Layer> {
    const auto tree = draft->tree();
    if (!tree) return tree.error();
    auto layer = layer::make_layer(**tree, options);
    if (!layer) return std::move(layer).error().while_doing("making a layer");
    if (!records) return layer;
    // Now that all files are known.
    const auto known = ways->late.empty() ? key : source::identity_of(**tree, ways->late) + how;
    records->keep(known, LayerRecord(*layer));
    return layer;
  };
  // Others pack more tightly, and longer.
  const bool quick = missing.draft->is_at_hand &&
                     options.compression == layer::Compression::kGzip &&
                     layer::isal_bytes_are_known();
  auto made = co_await run(quick, std::move(work));
  if (!made) co_return std::move(made).error();
  const auto size = made->blob.descriptor().size_bytes;
  if (size <= kMaxKeptLayer) kept_.put(missing.key, *made, size);
  if (!ways->taker) co_return made;
  KILN_CO_TRY(co_await ways->taker(*made));
  if (size <= kMaxKeptLayer) co_return made;
  // Its bytes go: who wants them, which is seldom, waits for them to be made again.
  co_return unmade_.layer(LayerRecord(*made), std::move(missing.draft), std::move(options));
}

/// One that was found. While others are made it is asked whether it is where it goes.
Task<Result<layer::Layer>> LayerMaker::send(layer::Layer found, std::shared_ptr<const Ways> ways) {
  KILN_CO_TRY(co_await ways->taker(found));
  co_return found;
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

/// By all threads of the pool.
Task<Result<LayerDrafts>> LayerMaker::look_at(LayerDrafts drafts,
                                              std::shared_ptr<const Ways> ways) {
  std::vector<Task<Result<Draft>>> tasks;
  for (auto& draft : drafts) tasks.push_back(look_at_one(std::move(draft), ways));
  co_return co_await gather(std::move(tasks), pool_.threads());
}

Task<Result<LayerMaker::Draft>> LayerMaker::look_at_one(Draft draft,
                                                        std::shared_ptr<const Ways> ways) {
  if (draft->facts) co_return draft;
  auto work = [draft, ways] { return with_facts(draft, ways->late); };
  co_return co_await run(draft->is_at_hand, std::move(work));
}

Task<Result<std::vector<layer::Layer>>> LayerMaker::make(
    LayerDrafts drafts, std::shared_ptr<const BuildRequest> request,
    std::shared_ptr<const Ways> ways, Made& made) {  // NOLINT: see Lifetime
  auto options = options_for(*request, *ways);
  const auto how = how_made(*request);
  auto known = co_await look_at(std::move(drafts), ways);
  if (!known) co_return std::move(known).error();
  std::vector<std::string> keys;
  std::set<std::string> seen;
  std::vector<Missing> missing;
  std::vector<Task<Result<layer::Layer>>> sent;
  for (auto& draft : *known) {
    const auto& key = keys.emplace_back(draft->facts->identity + how);
    if (made.contains(key) || !seen.insert(key).second) continue;
    const auto found = find(key, draft, options);
    if (!found) {
      missing.emplace_back(key, std::move(draft));
      continue;
    }
    made.emplace(key, *found);
    if (ways->taker) sent.push_back(send(*found, ways));
  }
  options.progress = watch(missing);
  // The largest first: who comes last leaves the other processors without work.
  std::stable_sort(missing.begin(), missing.end(), [](const Missing& a, const Missing& b) {
    return a.draft->facts->content_bytes > b.draft->facts->content_bytes;
  });
  std::vector<Task<Result<layer::Layer>>> tasks;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    // The last ones have processors for themselves.
    const bool last = missing.size() - i <= pool_.threads();
    options.two_threads = last && missing[i].draft->facts->content_bytes >= kMinTwoThreads;
    tasks.push_back(make_one(missing[i], how, options, ways));
  }
  options.progress = {};  // The tasks have it.
  std::move(sent.begin(), sent.end(), std::back_inserter(tasks));
  auto layers =
      co_await gather(std::move(tasks), pool_.threads() + (ways->taker ? kTakenBeside : 0));
  if (!layers) co_return std::move(layers).error();
  for (std::size_t i = 0; i < missing.size(); ++i)
    made.emplace(std::move(missing[i].key), std::move((*layers)[i]));
  std::vector<layer::Layer> all;
  for (const auto& key : keys) all.push_back(made.at(key));
  co_return all;
}

std::optional<layer::Layer> LayerMaker::find(const std::string& key, const Draft& draft,
                                             const layer::LayerOptions& options) {
  if (const auto* found = kept_.find(key)) return *found;
  if (!draft->facts->is_known || !is_worth_a_record(*draft->facts)) return std::nullopt;
  auto record = records_->find(key);
  if (!record) return std::nullopt;
  return unmade_.layer(std::move(*record), draft, options);
}

/// Of files that are known by their bytes, or will be: other identities hold for one build.
bool LayerMaker::is_worth_a_record(const DraftFacts& facts) const {
  return records_->keeps_any() && facts.content_bytes >= kMinRecorded;
}

layer::Progress LayerMaker::watch(const std::vector<Missing>& all) const {
  std::uint64_t total = 0;
  for (const auto& one : all) total += one.draft->facts->content_bytes;
  return watch_ && total > 0 ? watch_(total) : layer::Progress();
}

}  // namespace kiln::build
