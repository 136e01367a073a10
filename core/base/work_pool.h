#pragma once
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

#include "core/base/task.h"

namespace kiln {

/// Threads for what must not run on the I/O thread: hashing, compressing, tar, files.
///
/// Threads: run() may be called from any coroutine; the coroutine goes on on its own executor.
/// Lifetime: stop() (or the destructor) waits for work under way. It must come before the end of
/// the io_context whose coroutines wait here.
class WorkPool {
 public:
  explicit WorkPool(std::size_t threads);
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  /// Runs `work` on a thread of the pool and answers its result. An exception of `work` comes out
  /// here. Cancellation: not possible once started; work that may take long looks at a flag of its
  /// own. g++ 12: a lambda with captures is an aggregate too; name it before the co_await and move
  /// it in.
  template <class F>
  [[nodiscard]] Task<std::invoke_result_t<F>> run(F work) {
    using R = std::invoke_result_t<F>;
    std::optional<R> result;
    std::exception_ptr failure;
    std::function<void()> guarded = [&] {
      try {
        result.emplace(work());
      } catch (...) {
        failure = std::current_exception();
      }
    };
    co_await run_erased(std::move(guarded));
    if (failure) std::rethrow_exception(failure);
    co_return std::move(*result);
  }

  std::size_t threads() const { return threads_; }
  void stop();

 private:
  Task<void> run_erased(std::function<void()> work);

  struct Impl;
  std::size_t threads_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln
