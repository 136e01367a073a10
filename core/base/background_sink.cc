#include "core/base/background_sink.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kiln {

class BackgroundSink::Impl {
 public:
  explicit Impl(ByteSink& out) : out_(out), thread_([this] { hand_on(); }) {}

  ~Impl() {
    {
      const std::scoped_lock lock(mutex_);
      waiting_.clear();
      ended_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = std::min(bytes.size(), kPieceBytes - piece_.size());
      piece_.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      if (piece_.size() == kPieceBytes) KILN_TRY(pass_piece());
    }
    return {};
  }

  Result<void> finish() {
    if (!piece_.empty()) KILN_TRY(pass_piece());
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
    return outcome();
  }

 private:
  Result<void> pass_piece() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kMaxWaiting || failed(); });
    KILN_TRY(outcome());
    waiting_.push_back(std::move(piece_));
    piece_.clear();
    if (!used_.empty()) {
      piece_ = std::move(used_.back());
      used_.pop_back();
      piece_.clear();
    }
    lock.unlock();
    changed_.notify_all();
    return {};
  }

  bool failed() const { return error_ || exception_; }

  /// Under the lock, or behind the thread's end.
  Result<void> outcome() const {
    if (exception_) std::rethrow_exception(exception_);
    if (error_) return *error_;
    return {};
  }

  void hand_on() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !waiting_.empty() || ended_; });
      if (waiting_.empty()) return;
      auto piece = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      std::optional<Error> error;
      std::exception_ptr exception;
      try {
        auto written = out_.write(piece);
        if (written.has_error()) error = std::move(written).error();
      } catch (...) {
        exception = std::current_exception();
      }
      lock.lock();
      error_ = std::move(error);
      exception_ = exception;
      used_.push_back(std::move(piece));
      changed_.notify_all();
      if (failed()) return;
    }
  }

  static constexpr std::size_t kMaxWaiting = kMaxBehindBytes / kPieceBytes - 2;

  ByteSink& out_;
  std::string piece_;  ///< Not passed yet; the writer's.
  std::mutex mutex_;   ///< Guards what follows.
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  std::vector<std::string> used_;  ///< Their memory is wanted again.
  std::optional<Error> error_;
  std::exception_ptr exception_;
  bool ended_ = false;
  std::thread thread_;  ///< The last to begin.
};

BackgroundSink::BackgroundSink(ByteSink& out) : impl_(std::make_unique<Impl>(out)) {}
BackgroundSink::~BackgroundSink() = default;
Result<void> BackgroundSink::write(std::string_view bytes) {
  return impl_->write(bytes);
}
Result<void> BackgroundSink::finish() {
  return impl_->finish();
}

}  // namespace kiln
