#pragma once
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln::testing {

/// Runs one task on `io` until it is done (and everything it started has ended).
/// A task that never ends makes the test's own time limit strike; one that is dropped throws.
template <class T>
Result<T> run_task(boost::asio::io_context& io, Task<Result<T>> task) {
  std::optional<Result<T>> out;
  std::exception_ptr failure;
  auto keep = [&](std::exception_ptr e) { failure = std::move(e); };
  auto store = [](Task<Result<T>> inner, std::optional<Result<T>>* into) -> Task<void> {
    into->emplace(co_await std::move(inner));
  };
  boost::asio::co_spawn(io, store(std::move(task), &out), keep);
  io.restart();
  io.run();
  if (failure) std::rethrow_exception(failure);
  if (!out) throw std::logic_error("the task did not finish");
  return std::move(*out);
}

template <class T>
Result<T> run_task(Task<Result<T>> task) {
  boost::asio::io_context io;
  return run_task(io, std::move(task));
}

}  // namespace kiln::testing
