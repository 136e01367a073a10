#pragma once
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/kube/client.h"
#include "controller/kube/micro_time.h"
#include "core/base/clock.h"
#include "core/base/task.h"

namespace kiln::runtime {

/// What an Event is about.
struct ObjectReference {
  std::string api_version;
  std::string kind;
  std::string namespace_;
  std::string name;
  std::string uid;
  std::string resource_version;
  ObjectReference() = default;
  ObjectReference(const kube::ResourceType& type, const kube::ObjectMeta& meta);
};

enum class EventType { kNormal, kWarning };

/// Tells users what happened to an object, where `kubectl describe` shows it. Best effort: never
/// fails, never waits.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// `reason` is a CamelCase word, `action` what was being done ("Building"), `note` for people.
  virtual void record(const ObjectReference& regarding, EventType type, std::string_view reason,
                      std::string_view action, std::string_view note) = 0;
};

/// Sends Events (events.k8s.io/v1). The same (object, type, reason, action, note) again within
/// `series_window` raises `series.count` of the first instead of making another; of one object at
/// most `burst` at once and then one per `refill` are sent, others are counted as dropped. The
/// queue is bounded; the newest is dropped when it is full. Where no answer came it is sent again
/// under the same name, and "already exists" is success.
///
/// Threads: one executor. Lifetime: client and clock outlive it, it outlives run().
class EventRecorder final : public EventSink {
 public:
  struct Options {
    std::string reporting_controller = "kiln.build/controller";
    std::string reporting_instance{};  ///< The pod's name.
    std::size_t queue_limit = 1000;
    std::size_t memory_limit = 4096;  ///< Series and rate limits remembered.
    std::chrono::seconds series_window{360};
    std::chrono::seconds series_refresh{30};  ///< A series is written at most this often.
    std::chrono::seconds resend{5};           ///< Until it is sent again after no answer came.
    /// What Events say and are sorted by. Replaced by tests.
    std::function<kube::FineTime()> now = std::chrono::system_clock::now;
    int burst = 25;
    std::chrono::seconds refill{300};
    Options() = default;
  };
  static constexpr std::size_t kNoteLimitBytes = 1024;

  EventRecorder(kube::Client& client, const Executor& executor, const Clock& clock,
                Options options);
  ~EventRecorder() override;

  void record(const ObjectReference& regarding, EventType type, std::string_view reason,
              std::string_view action, std::string_view note) override;

  /// Sends what is recorded, until cancelled.
  [[nodiscard]] Task<Result<void>> run();
  /// Sends what is there now, waits for what run() is sending, and returns; for the end of the
  /// program.
  [[nodiscard]] Task<Result<void>> flush();

  std::size_t dropped() const;
  std::size_t queued() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln::runtime
