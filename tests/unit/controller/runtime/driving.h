#pragma once
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln::testing {

/// Runs `io` until `done` answers true; false if that takes longer than seconds. For tasks that
/// would run for ever.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    io.restart();
    io.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

/// A task that runs beside the test until it is cancelled, at the latest at the end of this object.
class Background {
 public:
  Background(boost::asio::io_context& io, Task<Result<void>> task) : io_(io) {
    auto ended = [this](std::exception_ptr failure, Result<void> result) {
      failure_ = std::move(failure);
      result_ = std::move(result);
    };
    boost::asio::co_spawn(io, std::move(task),
                          boost::asio::bind_cancellation_slot(signal_.slot(), ended));
  }
  ~Background() { cancel(); }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void cancel() {
    if (!ended()) signal_.emit(boost::asio::cancellation_type::terminal);
    wait();
  }
  bool wait() {
    return run_until(io_, [this] { return ended(); });
  }
  bool ended() const { return result_.has_value(); }
  bool threw() const { return failure_ != nullptr; }
  const std::optional<Result<void>>& result() const { return result_; }

 private:
  boost::asio::io_context& io_;
  boost::asio::cancellation_signal signal_;
  std::exception_ptr failure_;
  std::optional<Result<void>> result_;
};

}  // namespace kiln::testing
