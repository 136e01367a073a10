#include "controller/runtime/watch_machine.h"

#include <algorithm>
#include <utility>

namespace kiln::runtime {
namespace {

/// A watch that ends sooner than this without a word counts as failed: something between us and the
/// server cuts it, and opening it again at once would do that for ever.
constexpr std::chrono::seconds kVeryShort{1};

}  // namespace

std::string_view name_of(WatchState state) {
  switch (state) {
    case WatchState::kStart:
      return "starting";
    case WatchState::kStreamingState:
      return "streaming the state";
    case WatchState::kListing:
      return "listing";
    case WatchState::kReadyToWatch:
      return "about to watch";
    case WatchState::kWatching:
      return "watching";
  }
  return "unknown";
}

WatchMachine::WatchMachine(Options options)
    : options_(std::move(options)), backoff_(options_.backoff, options_.random) {
  if (!options_.random) options_.random = random_share;
}

WatchAction WatchMachine::next() {
  if (pause_.count() > 0) {
    WatchAction action;
    action.wait = std::exchange(pause_, std::chrono::milliseconds(0));
    return action;
  }
  switch (state_) {
    case WatchState::kListing:
      return list_action();
    case WatchState::kReadyToWatch:
      return watch_action(false);
    case WatchState::kStart:
    case WatchState::kStreamingState:  // Only between on_opened() and the end of the stream.
    case WatchState::kWatching:
      break;
  }
  return start_state();
}

WatchAction WatchMachine::start_state() {
  if (counters_.lists_started++ > 0)
    ++(expired_ ? counters_.relists_expired : counters_.relists_failed);
  continue_token_.clear();
  const bool stream = options_.use_watch_list && !watch_list_refused_ && !list_next_;
  state_ = stream ? WatchState::kStreamingState : WatchState::kListing;
  auto action = stream ? watch_action(true) : list_action();
  action.begins_state = true;
  return action;
}

WatchAction WatchMachine::list_action() const {
  WatchAction action;
  action.kind = WatchAction::Kind::kList;
  auto& list = action.list;
  list.selection = options_.selection;
  list.continue_token = continue_token_;
  // First whatever a cache has, later not older than what we know, and only after a 410 the newest
  // there is, which the server has to fetch from its database.
  if (!newest_state_) list.resource_version = resource_version_.empty() ? "0" : resource_version_;
  // A page size would keep the server from answering out of its cache.
  const bool from_cache = !list.resource_version.empty() && list.resource_version != "0";
  if (!full_list_ && !from_cache) list.limit = options_.page_size;
  return action;
}

WatchAction WatchMachine::watch_action(bool initial) {
  WatchAction action;
  action.kind = WatchAction::Kind::kWatch;
  auto& watch = action.watch;
  watch.selection = options_.selection;
  watch.timeout = random_timeout();
  watch.send_initial_events = initial;
  if (!initial || !newest_state_) watch.resource_version = resource_version_;
  return action;
}

std::chrono::seconds WatchMachine::random_timeout() {
  const auto span = static_cast<double>((options_.max_watch - options_.min_watch).count());
  return options_.min_watch +
         std::chrono::seconds(static_cast<std::int64_t>(span * options_.random()));
}

WatchVerdict WatchMachine::on_page(const kube::ObjectList& page) {
  WatchVerdict verdict;
  verdict.deliver = WatchVerdict::Deliver::kApplied;
  verdict.initial = true;
  counters_.skipped += page.undecodable;
  continue_token_ = page.continue_token;
  if (!continue_token_.empty()) return verdict;
  resource_version_ = page.resource_version;
  complete_state(verdict);
  state_ = WatchState::kReadyToWatch;
  return verdict;
}

void WatchMachine::complete_state(WatchVerdict& verdict) {
  verdict.state_complete = true;
  synced_ = true;
  newest_state_ = full_list_ = list_next_ = false;
  streams_lost_ = 0;
}

void WatchMachine::on_opened(Time now) {
  ++counters_.watches_opened;
  opened_ = now;
  events_ = 0;
  if (state_ == WatchState::kReadyToWatch) state_ = WatchState::kWatching;
}

WatchVerdict WatchMachine::on_event(const kube::WatchEvent& event, Time now) {
  using Type = kube::WatchEventType;
  WatchVerdict verdict;
  if (event.type == Type::kError) {
    on_failure(event.error, now);
    verdict.close = true;
    return verdict;
  }
  ++events_;
  const bool initial = state_ == WatchState::kStreamingState;
  verdict.initial = initial;
  if (event.type == Type::kUndecodable) ++counters_.skipped;
  if (event.type == Type::kAdded || event.type == Type::kModified)
    verdict.deliver = WatchVerdict::Deliver::kApplied;
  if (event.type == Type::kDeleted) verdict.deliver = WatchVerdict::Deliver::kDeleted;
  // The initial events come in the order of names, so they do not say how far the watch is.
  if (!initial && !event.resource_version.empty()) resource_version_ = event.resource_version;
  if (initial && event.type == Type::kBookmark && event.initial_events_end) {
    resource_version_ = event.resource_version;
    complete_state(verdict);
    state_ = WatchState::kWatching;
  }
  return verdict;
}

void WatchMachine::on_ended(Time now) {
  if (state_ == WatchState::kStreamingState) {
    // It ended before the state was told in full.
    on_failure(Error(Errc::kUnavailable, "the stream ended before the state was told in full"),
               now);
    return;
  }
  state_ = WatchState::kReadyToWatch;
  if (events_ > 0 || now - opened_ >= kVeryShort) return;
  ++counters_.failures;
  pause(std::nullopt, now);
}

void WatchMachine::on_failure(const Error& error, Time now) {
  ++counters_.failures;
  expired_ = error.code == Errc::kGone;
  pause(error.retry_after, now);
  switch (state_) {
    case WatchState::kListing:
      return list_failed(error);
    case WatchState::kStreamingState:
      return streaming_failed(error);
    case WatchState::kStart:
    case WatchState::kReadyToWatch:
    case WatchState::kWatching:
      return watching_failed(error);
  }
}

void WatchMachine::list_failed(const Error& error) {
  state_ = WatchState::kStart;
  list_next_ = false;
  if (error.code != Errc::kGone && error.code != Errc::kInvalid) return;
  if (continue_token_.empty())
    newest_state_ = true;
  else
    full_list_ = list_next_ = true;  // The pages expired while we read them.
}

void WatchMachine::streaming_failed(const Error& error) {
  state_ = WatchState::kStart;
  switch (error.code) {
    case Errc::kGone:
      newest_state_ = true;
      return;
    case Errc::kRateLimited:  // The moment is wrong, not the request.
      return;
    case Errc::kUnavailable:
    case Errc::kTimeout:
      list_next_ = ++streams_lost_ % 3 == 0;
      return;
    case Errc::kInvalid:
      watch_list_refused_ = true;
      pause_ = std::chrono::milliseconds(0);  // An older server, in good health.
      return;
    default:
      list_next_ = true;  // May work, and tells more clearly what is wrong if not.
  }
}

void WatchMachine::watching_failed(const Error& error) {
  // kNotFound: the type itself was deleted. kCorrupt: the same line would come again.
  const bool place_lost = error.code == Errc::kGone || error.code == Errc::kInvalid ||
                          error.code == Errc::kNotFound || error.code == Errc::kCorrupt;
  state_ = place_lost ? WatchState::kStart : WatchState::kReadyToWatch;
}

void WatchMachine::pause(std::optional<std::chrono::seconds> hint, Time now) {
  pause_ = backoff_.next(now);
  if (hint) pause_ = std::max<std::chrono::milliseconds>(pause_, *hint);
}

}  // namespace kiln::runtime
