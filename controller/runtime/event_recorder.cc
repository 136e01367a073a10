#include "controller/runtime/event_recorder.h"

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/sha256.h"

namespace kiln::runtime {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kNameLimit = 253;  // Of an object's name, RFC 1123 subdomain.
constexpr std::size_t kWordLimit = 128;  // Of reason and action, by the Event's own validation.

std::string cut(std::string_view text, std::size_t limit_bytes) {
  if (text.size() <= limit_bytes) return std::string(text);
  constexpr std::string_view kEllipsis = "…";
  auto end = limit_bytes - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + std::string(kEllipsis);
}

/// What an Event says.
struct Text {
  ObjectReference regarding;
  EventType type = EventType::kNormal;
  std::string reason;
  std::string action;
  std::string note;
};

/// One Event as it was, or is to be, written. There may be thousands, so what it says is kept until
/// it is written; then its name is enough.
struct Series {
  std::string namespace_;  ///< Of the object.
  std::string name;        ///< Of the object.
  std::shared_ptr<const Text> text;
  kube::FineTime first{};  ///< No two have the same: it is in the name.
  kube::FineTime last{};
  int count = 1;
  int written_count = 0;  ///< 0: not created yet.
  bool queued = false;
  SteadyTime last_seen{};
  SteadyTime last_tried{};

  Series() = default;  // Not an aggregate: may travel through co_await.
};

std::string identity(const Text& text) {
  constexpr std::size_t kDigits = 32;  // Half of the sum: no two are known to be equal.
  std::string all;
  const auto& object = text.regarding;
  for (const auto* part : {&object.api_version, &object.kind, &object.namespace_, &object.name,
                           &object.uid, &text.reason, &text.action, &text.note})
    all += *part + '\n';
  all += text.type == EventType::kWarning ? "Warning" : "Normal";
  return sha256_hex(all).substr(0, kDigits);
}

/// The same Event gets the same name, so that one sent twice is refused the second time. Names sort
/// by time, as those of client-go do: `kubectl describe` lists Events in the order of their names.
std::string event_name(const Series& series) {
  const auto nanos = static_cast<std::uint64_t>(series.first.time_since_epoch().count());
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(nanos >> (56 - 8 * i));
  const auto suffix = "." + to_hex(bytes);
  auto base = series.name.substr(0, kNameLimit - suffix.size());
  while (!base.empty() && (base.back() == '.' || base.back() == '-')) base.pop_back();
  return base + suffix;
}

std::string event_namespace(const Series& series) {
  return series.namespace_.empty() ? "default" : series.namespace_;
}

Json series_json(const Series& series) {
  return {{"count", series.count}, {"lastObservedTime", kube::micro_time(series.last)}};
}

Json event_json(const Series& series, const EventRecorder::Options& options) {
  const auto& text = *series.text;
  const auto& object = text.regarding;
  Json event = {
      {"apiVersion", kube::kEvents.api_version()},
      {"kind", kube::kEvents.kind},
      {"metadata", {{"name", event_name(series)}, {"namespace", event_namespace(series)}}},
      {"eventTime", kube::micro_time(series.first)},
      {"reportingController", options.reporting_controller},
      {"reportingInstance", options.reporting_instance},
      {"type", text.type == EventType::kWarning ? "Warning" : "Normal"},
      {"reason", text.reason},
      {"action", text.action},
      {"note", text.note},
      {"regarding",
       {{"apiVersion", object.api_version},
        {"kind", object.kind},
        {"namespace", object.namespace_},
        {"name", object.name},
        {"uid", object.uid},
        {"resourceVersion", object.resource_version}}}};
  if (series.count > 1) event["series"] = series_json(series);
  return event;
}

/// Whether an Event may have been written all the same: no answer came. Its name is fixed, so it
/// can be sent again.
bool may_be_there(const Error& error) {
  return error.code == Errc::kUnavailable || error.code == Errc::kTimeout;
}

/// Tokens of one object: `burst` at first, one more each `refill`.
struct Allowance {
  double tokens = 0;
  SteadyTime since{};
};

/// Forgets what was not used for the longest time.
template <class Map, class When>
void keep_below(Map& map, std::size_t limit, When when) {
  while (map.size() >= std::max<std::size_t>(limit, 1))
    map.erase(std::min_element(map.begin(), map.end(), [&](const auto& a, const auto& b) {
      return when(a.second) < when(b.second);
    }));
}

}  // namespace

ObjectReference::ObjectReference(const kube::ResourceType& type, const kube::ObjectMeta& meta)
    : api_version(type.api_version()),
      kind(type.kind),
      namespace_(meta.namespace_),
      name(meta.name),
      uid(meta.uid),
      resource_version(meta.resource_version) {}

struct EventRecorder::Impl {
  Impl(kube::Client& c, const Executor& executor, const Clock& k, Options o)
      : client(c), clock(k), options(std::move(o)), news(executor), landed(executor) {
    if (options.reporting_instance.empty())
      options.reporting_instance = options.reporting_controller;
    options.reporting_instance = options.reporting_instance.substr(0, kWordLimit);
  }

  bool may_send(const ObjectReference& object, SteadyTime now);
  void enqueue(const std::string& id, Series& series);
  void add_repeat(const std::string& id, Series& series);
  SteadyTime due(const Series& one) const;
  std::optional<SteadyTime> enqueue_due(SteadyTime now);
  Task<void> send(std::string id);
  Task<void> write(std::string id);
  Task<Result<void>> create(Series series);
  Task<Result<void>> write_series(Series series);
  kube::FineTime unused_moment();

  kube::Client& client;
  const Clock& clock;
  Options options;
  boost::asio::steady_timer news;
  boost::asio::steady_timer landed;             ///< Cancelled when one under way has ended.
  std::map<std::string, Series> series;         ///< By identity().
  std::map<std::string, Allowance> allowances;  ///< By uid, or namespace and name.
  std::deque<std::string> queue;                ///< Identities.
  std::size_t under_way = 0;                    ///< Taken from the queue, and not ended.
  std::size_t dropped = 0;
  kube::FineTime last_moment{};
};

bool EventRecorder::Impl::may_send(const ObjectReference& object, SteadyTime now) {
  const auto id = object.uid.empty() ? object.namespace_ + "/" + object.name : object.uid;
  if (!allowances.contains(id))
    keep_below(allowances, options.memory_limit, [](const auto& a) { return a.since; });
  const auto [found, fresh] =
      allowances.try_emplace(id, Allowance{static_cast<double>(options.burst), now});
  auto& allowance = found->second;
  const std::chrono::duration<double> passed = now - allowance.since;
  const auto gained = passed.count() / static_cast<double>(options.refill.count());
  allowance.tokens = std::min<double>(options.burst, allowance.tokens + gained);
  allowance.since = now;
  if (allowance.tokens < 1.0) return false;
  allowance.tokens -= 1.0;
  return true;
}

/// Now, or a little later: two Events must not have one name.
kube::FineTime EventRecorder::Impl::unused_moment() {
  last_moment = std::max(options.now(), last_moment + std::chrono::nanoseconds(1));
  return last_moment;
}

void EventRecorder::Impl::enqueue(const std::string& id, Series& one) {
  if (one.queued) return;
  if (queue.size() >= options.queue_limit) {
    ++dropped;
    if (one.written_count == 0) series.erase(id);
    return;
  }
  one.queued = true;
  queue.push_back(id);
  news.cancel();
}

void EventRecorder::Impl::add_repeat(const std::string& id, Series& one) {
  ++one.count;
  one.last = options.now();
  one.last_seen = clock.steady_now();
  if (one.last_seen >= due(one)) enqueue(id, one);
  news.cancel();
}

/// When it may be written again. Not at once each time: a busy series would be as bad as many
/// Events.
SteadyTime EventRecorder::Impl::due(const Series& one) const {
  return one.last_tried + (one.written_count == 0 ? options.resend : options.series_refresh);
}

/// Enqueues the series whose latest count may be written now, or again where no answer came;
/// answers when the next one may.
std::optional<SteadyTime> EventRecorder::Impl::enqueue_due(SteadyTime now) {
  dropped += std::erase_if(series, [&](const auto& each) {
    const auto& one = each.second;
    return !one.queued && one.written_count == 0 && now - one.last_seen > options.series_window;
  });
  std::optional<SteadyTime> next;
  for (auto& [id, one] : series) {
    if (queue.size() >= options.queue_limit) break;  // The rest after these.
    if (one.queued || one.written_count == one.count) continue;
    const auto due = this->due(one);
    if (due <= now)
      enqueue(id, one);
    else if (!next || due < *next)
      next = due;
  }
  return next;
}

Task<Result<void>> EventRecorder::Impl::create(Series one) {
  auto json = dump_json(event_json(one, options));
  const auto created = co_await client.create(kube::kEvents, event_namespace(one), std::move(json));
  if (!created.has_error()) co_return Result<void>();
  if (created.error().code != Errc::kConflict) co_return created.error();
  // It is there already: an answer was lost on the way.
  if (one.count == 1) co_return Result<void>();
  co_return co_await write_series(std::move(one));
}

Task<Result<void>> EventRecorder::Impl::write_series(Series one) {
  auto patch = dump_json({{"series", series_json(one)}});
  kube::ObjectKey key(event_namespace(one), event_name(one));
  kube::Precondition none;
  const auto patched =
      co_await client.merge_patch(kube::kEvents, std::move(key), std::move(patch), std::move(none));
  if (patched.has_error()) co_return patched.error();
  co_return Result<void>();
}

Task<void> EventRecorder::Impl::send(std::string id) {
  ++under_way;
  co_await write(std::move(id));
  --under_way;
  landed.cancel();
}

Task<void> EventRecorder::Impl::write(std::string id) {
  const auto before = series.find(id);
  if (before == series.end()) co_return;
  before->second.queued = false;
  const Series one = before->second;  // It may change, or go, while we wait.
  // A task chosen first and awaited once: g++ 12 corrupts the results of co_awaits that stand in
  // the branches of a conditional expression.
  auto writing = one.written_count == 0 ? create(one) : write_series(one);
  const auto sent = co_await std::move(writing);
  const auto after = series.find(id);
  if (sent.has_error()) {
    if (!may_be_there(sent.error())) ++dropped;
    log::debug("event could not be sent",
               {{"object", one.name}, {"event", event_name(one)}, {"error", sent.error().message}});
    if (after == series.end()) co_return;
    if (may_be_there(sent.error()))
      after->second.last_tried = clock.steady_now();
    else
      series.erase(after);  // E.g. expired on the server: the next time makes a new one.
    co_return;
  }
  if (after == series.end()) co_return;
  after->second.text.reset();
  after->second.written_count = one.count;
  after->second.last_tried = clock.steady_now();
}

EventRecorder::EventRecorder(kube::Client& client, const Executor& executor, const Clock& clock,
                             Options options)
    : impl_(std::make_unique<Impl>(client, executor, clock, std::move(options))) {}

EventRecorder::~EventRecorder() = default;

void EventRecorder::record(const ObjectReference& regarding, EventType type,
                           std::string_view reason, std::string_view action,
                           std::string_view note) {
  const auto now = impl_->clock.steady_now();
  auto text = std::make_shared<Text>();
  text->regarding = regarding;
  text->type = type;
  text->reason = cut(reason, kWordLimit);
  text->action = cut(action, kWordLimit);
  text->note = cut(note, kNoteLimitBytes);
  const auto id = identity(*text);
  auto& all = impl_->series;
  const auto found = all.find(id);
  if (found != all.end()) {
    if (now - found->second.last_seen < impl_->options.series_window)
      return impl_->add_repeat(id, found->second);
    if (found->second.queued) return;
    all.erase(found);  // Too long ago to be one story.
  }
  if (!impl_->may_send(regarding, now)) {
    ++impl_->dropped;
    return;
  }
  Series fresh;
  fresh.namespace_ = regarding.namespace_;
  fresh.name = regarding.name;
  fresh.text = std::move(text);
  fresh.first = fresh.last = impl_->unused_moment();
  fresh.last_seen = now;
  keep_below(all, impl_->options.memory_limit, [](const auto& one) { return one.last_seen; });
  impl_->enqueue(id, all.emplace(id, std::move(fresh)).first->second);
}

Task<Result<void>> EventRecorder::flush() {
  while (!impl_->queue.empty() || impl_->under_way > 0) {
    if (!impl_->queue.empty()) {
      auto id = std::move(impl_->queue.front());
      impl_->queue.pop_front();
      co_await impl_->send(std::move(id));
    } else {  // By run(), or another flush().
      impl_->landed.expires_at(SteadyTime::max());
      boost::system::error_code ignored;
      co_await impl_->landed.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none)
      co_return Error(Errc::kCancelled, "sending events was cancelled");
  }
  co_return Result<void>();
}

Task<Result<void>> EventRecorder::run() {
  for (;;) {
    KILN_CO_TRY(co_await flush());
    const auto now = impl_->clock.steady_now();
    const auto due = impl_->enqueue_due(now);
    if (!impl_->queue.empty()) continue;
    if (due)
      impl_->news.expires_after(*due - now);
    else
      impl_->news.expires_at(SteadyTime::max());
    boost::system::error_code ignored;
    co_await impl_->news.async_wait(
        boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none)
      co_return Error(Errc::kCancelled, "sending events was cancelled");
  }
}

std::size_t EventRecorder::dropped() const {
  return impl_->dropped;
}
std::size_t EventRecorder::queued() const {
  return impl_->queue.size();
}

}  // namespace kiln::runtime
