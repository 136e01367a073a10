#include "controller/runtime/watcher.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "core/base/deadline.h"
#include "core/base/log.h"
#include "core/base/redact.h"

namespace kiln::runtime {
namespace {

/// Others get a turn after so many objects: a list may hold tens of thousands.
constexpr std::size_t kObjectsPerTurn = 256;

}  // namespace

Watcher::Watcher(kube::Client& client, kube::ResourceType type, WatchHandler& handler,
                 const Clock& clock, Options options)
    : client_(client),
      type_(type),
      handler_(handler),
      clock_(clock),
      margin_(options.margin),
      namespace_(options.machine.selection.namespace_),
      object_name_(options.machine.selection.name),
      machine_(std::move(options.machine)),
      last_activity_(clock.steady_now()) {}

Task<Result<void>> Watcher::run() {
  for (;;) {
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none)
      co_return Error(Errc::kCancelled, "watching " + name() + " was cancelled");
    auto action = machine_.next();
    co_await step(std::move(action));
  }
}

Task<void> Watcher::step(WatchAction action) {
  if (action.begins_state) begin_state();
  switch (action.kind) {
    case WatchAction::Kind::kWait: {
      [[maybe_unused]] const auto waited = co_await sleep_for(action.wait);
      break;
    }
    case WatchAction::Kind::kList:
      co_await list(std::move(action));
      break;
    case WatchAction::Kind::kWatch:
      co_await watch(std::move(action));
      break;
  }
}

Task<void> Watcher::list(WatchAction action) {
  const auto page = co_await client_.list(type_, std::move(action.list));
  if (!page) {
    fail(page.error());
    co_return;
  }
  last_activity_ = clock_.steady_now();
  std::size_t told = 0;
  for (const auto& object : page->items) {
    tell_applied(object, Origin::kInitial);
    if (++told % kObjectsPerTurn == 0) co_await boost::asio::post(boost::asio::use_awaitable);
  }
  if (machine_.on_page(*page).state_complete) complete_state();
}

Task<void> Watcher::watch(WatchAction action) {
  const auto limit = action.watch.timeout + margin_;
  action.watch.is_known = [this](const kube::ObjectState& state) {
    return handler_.is_known(state);
  };
  auto stream = co_await client_.watch(type_, std::move(action.watch));
  if (!stream) {
    fail(stream.error());
    co_return;
  }
  last_activity_ = clock_.steady_now();
  machine_.on_opened(last_activity_);
  if (machine_.state() == WatchState::kWatching) last_failure_.clear();
  // A frozen server keeps its connections alive; only a deadline of our own notices.
  const auto followed =
      co_await with_deadline(follow(std::move(*stream)), limit, "watching " + name());
  if (followed.has_error() && followed.error().code != Errc::kCancelled) fail(followed.error());
}

/// Until the stream ends; its errors are the result, its end and error events are told the machine.
Task<Result<void>> Watcher::follow(std::unique_ptr<kube::WatchStream> stream) {
  for (std::size_t told = 1;; ++told) {
    const auto event = co_await stream->next();
    if (!event) co_return event.error();
    const auto now = clock_.steady_now();
    last_activity_ = now;
    if (!*event) {
      const bool streaming = machine_.state() == WatchState::kStreamingState;
      machine_.on_ended(now);
      if (streaming) last_failure_ = "the initial events were cut short";
      co_return Result<void>();
    }
    const auto verdict = machine_.on_event(**event, now);
    if ((*event)->type == kube::WatchEventType::kUndecodable)
      log::warning("object cannot be read and is skipped",
                   {{"type", name()}, {"error", (*event)->error.message}});
    if ((*event)->object) tell(*(*event)->object, verdict);
    if ((*event)->known) unseen_.erase(*(*event)->known);
    if (verdict.state_complete) complete_state();
    if (verdict.close) {
      last_failure_ = (*event)->error.message;
      log::info("watch was ended by the server", {{"type", name()}, {"error", last_failure_}});
      co_return Result<void>();
    }
    if (told % kObjectsPerTurn == 0) co_await boost::asio::post(boost::asio::use_awaitable);
  }
}

Task<Result<void>> Watcher::wait_synced(std::chrono::milliseconds limit) {
  if (synced()) co_return Result<void>();
  const auto timer =
      std::make_shared<boost::asio::steady_timer>(co_await boost::asio::this_coro::executor, limit);
  sync_timer_ = timer;
  boost::system::error_code woken;
  co_await timer->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
  if (sync_timer_ == timer) sync_timer_.reset();
  if (synced()) co_return Result<void>();
  if (woken) co_return Error(Errc::kCancelled, "waiting for " + name() + " was cancelled");
  auto error = deadline_error("reading all " + name() + " for the first time", limit);
  if (!last_failure_.empty()) error.message += " (" + last_failure_ + ")";
  co_return error;
}

void Watcher::begin_state() {
  unseen_.clear();
  for (auto& key : handler_.known())
    if (namespace_.empty() || key.namespace_ == namespace_) unseen_.insert(std::move(key));
}

void Watcher::tell(const kube::Object& object, const WatchVerdict& verdict) {
  if (verdict.deliver == WatchVerdict::Deliver::kApplied)
    tell_applied(object, verdict.initial ? Origin::kInitial : Origin::kChange);
  if (verdict.deliver == WatchVerdict::Deliver::kDeleted) tell_deleted(object.key());
}

void Watcher::tell_applied(const kube::Object& object, Origin origin) {
  unseen_.erase(object.key());
  try {
    handler_.applied(object, origin);
  } catch (const std::exception& e) {
    handler_threw(object.key(), e.what());
  }
}

void Watcher::tell_deleted(const kube::ObjectKey& key) {
  unseen_.erase(key);
  try {
    handler_.deleted(key);
  } catch (const std::exception& e) {
    handler_threw(key, e.what());
  }
}

void Watcher::handler_threw(const kube::ObjectKey& key, std::string_view what) {
  ++handler_failures_;
  log::error("event could not be handled",
             {{"type", name()}, {"object", key.str()}, {"error", sanitize_server_text(what)}});
}

void Watcher::complete_state() {
  last_failure_.clear();
  const auto vanished = std::exchange(unseen_, {});
  for (const auto& key : vanished) tell_deleted(key);
  handler_.synced();
  if (sync_timer_) sync_timer_->cancel();
}

void Watcher::fail(const Error& error) {
  machine_.on_failure(error, clock_.steady_now());
  if (error.code == Errc::kCancelled) return;
  last_failure_ = error.message;
  log::warning("watch failed", {{"type", name()},
                                {"state", std::string(name_of(machine_.state()))},
                                {"error", error.message}});
}

}  // namespace kiln::runtime
