#include "controller/runtime/controller.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "core/base/log.h"
#include "core/base/redact.h"

namespace kiln::runtime {
namespace asio = boost::asio;

namespace {

bool was_cancelled(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace

/// The coroutines that run() has started. `changed` is cancelled whenever there may be news.
struct Controller::Children {
  struct Group {
    std::size_t running = 0;
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
  };

  explicit Children(const Executor& executor) : changed(executor) {}

  void spawn(const std::shared_ptr<Children>& self, Group& group, Task<void> task) {
    auto& signal = *group.signals.emplace_back(std::make_unique<asio::cancellation_signal>());
    ++group.running;
    // What a child has to say it says by other ways; its exceptions were caught where they count.
    auto ended = [self, &group](const std::exception_ptr&) {
      --group.running;
      self->changed.cancel();
    };
    asio::co_spawn(changed.get_executor(), std::move(task),
                   asio::bind_cancellation_slot(signal.slot(), std::move(ended)));
  }

  static void cancel(Group& group) {
    for (const auto& signal : group.signals) signal->emit(asio::cancellation_type::terminal);
  }

  asio::steady_timer changed;
  Group starting, watchers, workers;
  std::optional<Error> broken;  ///< A watch came to an end by itself.
  Result<void> started = Error(Errc::kCancelled, "the controller was stopped while it started");
};

Controller::Controller(KeyQueue& queue, Reconciler& reconciler, std::vector<Watcher*> watchers,
                       const Clock& clock, Options options)
    : queue_(queue),
      reconciler_(reconciler),
      watchers_(std::move(watchers)),
      clock_(clock),
      options_(std::move(options)) {}

Task<Result<void>> Controller::run() {
  children_ = std::make_shared<Children>(co_await asio::this_coro::executor);
  auto& children = *children_;
  for (auto* watcher : watchers_) children.spawn(children_, children.watchers, watch(watcher));
  children.spawn(children_, children.starting, start());

  bool cancelled = false;
  const auto goes_on = [&] { return !cancelled && !stopping_ && !abandoned_ && !children.broken; };
  while (goes_on() && children.starting.running > 0)
    cancelled = co_await wait_for_change(std::nullopt);
  const bool started = !children.started.has_error();
  if (goes_on() && started) {
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.concurrent, 1); ++i)
      children.spawn(children_, children.workers, work());
    working_ = true;
    while (goes_on()) cancelled = co_await wait_for_change(std::nullopt);
  }
  // Cancelled or not, the end is orderly: the children refer to this object.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  const auto grace = cancelled || abandoned_ ? std::chrono::milliseconds(0) : options_.grace;
  co_await shut_down(grace);
  if (abandoned_) co_return *abandoned_;
  if (cancelled) co_return Error(Errc::kCancelled, "the controller was cancelled");
  if (stopping_) co_return Result<void>();
  if (children.broken) co_return *children.broken;
  co_return children.started;
}

void Controller::stop() {
  stopping_ = true;
  queue_.close();
  if (children_) children_->changed.cancel();
}

void Controller::abandon(Error why) {
  abandoned_ = std::move(why);
  queue_.close();
  if (children_) children_->changed.cancel();
}

/// Answers whether run() was cancelled.
Task<bool> Controller::wait_for_change(std::optional<std::chrono::milliseconds> limit) {
  auto& changed = children_->changed;
  if (limit)
    changed.expires_after(*limit);
  else
    changed.expires_at(asio::steady_timer::time_point::max());
  boost::system::error_code ignored;
  co_await changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return was_cancelled(co_await asio::this_coro::cancellation_state);
}

Task<void> Controller::shut_down(std::chrono::milliseconds grace) {
  auto& children = *children_;
  working_ = false;
  queue_.close();
  Children::cancel(children.starting);
  const auto end = std::chrono::steady_clock::now() + grace;
  while (children.workers.running > 0 && !abandoned_ && std::chrono::steady_clock::now() < end)
    co_await wait_for_change(
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()));
  if (children.workers.running > 0)
    log::warning("reconciles did not end in time and are cancelled",
                 {{"count", std::to_string(counters_.running)}});
  Children::cancel(children.workers);
  while (children.workers.running > 0) co_await wait_for_change(std::nullopt);
  Children::cancel(children.watchers);
  while (children.watchers.running + children.starting.running > 0)
    co_await wait_for_change(std::nullopt);
}

Task<void> Controller::watch(Watcher* watcher) {
  std::string failure = "it ended";
  try {
    [[maybe_unused]] const auto ended = co_await watcher->run();
  } catch (const std::exception& e) {
    failure = sanitize_server_text(e.what());
  }
  if (was_cancelled(co_await asio::this_coro::cancellation_state)) co_return;
  // A bug. Without this watch nothing would be right any more.
  log::error("watch broke down", {{"type", watcher->name()}, {"error", failure}});
  children_->broken = Error(Errc::kInternal, "watching " + watcher->name() + ": " + failure);
}

Task<void> Controller::start() {
  const auto end = clock_.steady_now() + options_.sync_limit;
  for (auto* watcher : watchers_) {
    const auto left = std::max(end - clock_.steady_now(), std::chrono::steady_clock::duration(0));
    auto synced = co_await watcher->wait_synced(std::chrono::ceil<std::chrono::milliseconds>(left));
    if (synced.has_error()) {
      children_->started = std::move(synced);
      co_return;
    }
  }
  if (!watchers_.empty())
    log::info("everything has been read for the first time",
              {{"watches", std::to_string(watchers_.size())}});
  if (options_.before_work)
    children_->started = co_await options_.before_work();
  else
    children_->started = Result<void>();
}

Task<void> Controller::work() {
  for (;;) {
    auto next = co_await queue_.next();
    if (!next || !*next) co_return;
    co_await reconcile_one(std::move(**next));
  }
}

Task<void> Controller::reconcile_one(WorkQueue::Taken taken) {
  const auto began = clock_.steady_now();
  log::debug("reconcile begins", {{"object", taken.key.str()}});
  ++counters_.running;
  auto result = ReconcileResult::retry();
  std::string_view outcome = "exception";
  std::string failure;
  try {
    result = co_await reconciler_.reconcile(taken.key, taken.asked);
    outcome = result.is_retry() ? "error" : result.delay() ? "requeue_after" : "success";
  } catch (const std::exception& e) {
    failure = sanitize_server_text(e.what());
  }
  --counters_.running;
  if (outcome == "exception" && was_cancelled(co_await asio::this_coro::cancellation_state)) {
    queue_.done(taken.key);
    co_return;
  }
  finish(taken.key, result);
  count(outcome);
  if (outcome == "exception")
    log::error("reconcile threw", {{"object", taken.key.str()}, {"error", failure}});
  if (options_.observer != nullptr)
    options_.observer->reconciled(taken.key, outcome, began - taken.since,
                                  clock_.steady_now() - began);
}

void Controller::finish(const kube::ObjectKey& key, const ReconcileResult& result) {
  if (result.is_retry()) {
    queue_.retry(key, result.delay().value_or(std::chrono::milliseconds(0)));
  } else {
    queue_.forget(key);
    if (result.delay()) queue_.add_after(key, *result.delay(), Priority::kNormal);
  }
  queue_.done(key, options_.pause);
}

void Controller::count(std::string_view outcome) {
  if (outcome == "success") ++counters_.succeeded;
  if (outcome == "requeue_after") ++counters_.requeued_after;
  if (outcome == "error") ++counters_.retried;
  if (outcome == "exception") ++counters_.exceptions;
}

}  // namespace kiln::runtime
