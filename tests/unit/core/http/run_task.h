#pragma once
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <memory>
#include <optional>

#include "core/base/deadline.h"

namespace kiln::http {

/// Runs a task that waits for nothing but its own steps.
template <class T>
Result<T> run_task(Task<Result<T>> task) {
  boost::asio::io_context io;
  auto out = std::make_shared<std::optional<Result<T>>>();
  boost::asio::co_spawn(io, detail::store_into(std::move(task), out),
                        [](std::exception_ptr failure) {
                          if (failure) std::rethrow_exception(failure);
                        });
  io.run();
  return std::move(**out);
}

}  // namespace kiln::http
