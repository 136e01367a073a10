#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/deadline.h"
#include "core/http/beast/client.h"
#include "tests/integration/http/scripted_server.h"

namespace kiln::http {

/// A real client on an io_context that runs only inside run().
class ClientTest : public testing::Test {
 protected:
  void use(ClientOptions options) {
    client_.reset();
    client_ = make_client(io_.get_executor(), std::move(options));
  }

  /// Runs the task to its end, 20 s at most.
  template <class T>
  Result<T> run(Task<Result<T>> task) {
    auto out = std::make_shared<std::optional<Result<T>>>();
    auto done = std::make_shared<bool>(false);
    boost::asio::co_spawn(
        io_, detail::store_into(std::move(task), out),
        boost::asio::bind_cancellation_slot(cancel_.slot(), [done](std::exception_ptr failure) {
          *done = true;
          if (failure) std::rethrow_exception(failure);
        }));
    io_.restart();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!*done && io_.run_one_until(deadline) > 0) {
    }
    io_.poll();  // The task's frame lets go of the cancellation slot only after its last step.
    if (*done) return std::move(**out);
    ADD_FAILURE() << "the task did not end";
    return Error(Errc::kInternal, "the task did not end");
  }

  Result<Response> get(const Url& url) { return send(Request("GET", url)); }
  Result<Response> send(Request request) { return run(client_->send(std::move(request))); }
  Result<std::unique_ptr<ResponseStream>> open(Request request) {
    return run(client_->open(std::move(request)));
  }
  Result<std::string> read(ResponseStream& stream) {
    char block[65536];
    auto count = run(stream.read(std::span<char>(block)));
    if (!count) return count.error();
    return std::string(block, *count);
  }

  /// Cancels what run() runs, once it waits for the network. Any thread.
  void cancel_soon(int turns = 5) {
    boost::asio::post(io_, [this, turns] {
      if (turns > 0)
        cancel_soon(turns - 1);
      else
        cancel_.emit(boost::asio::cancellation_type::terminal);
    });
  }

  boost::asio::io_context io_;
  boost::asio::cancellation_signal cancel_;
  std::unique_ptr<Client> client_ = make_client(io_.get_executor(), ClientOptions{});
};

/// Answers every request of a connection with 200 and "ok".
inline void answer_all(Peer& peer) {
  while (peer.read()) peer.answer("ok");
}

}  // namespace kiln::http
