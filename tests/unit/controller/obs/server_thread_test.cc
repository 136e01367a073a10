#include "controller/obs/server_thread.h"

#include <gtest/gtest.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/support/matchers.h"

namespace kiln::obs {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

struct Seen {
  std::vector<std::string> made;
  std::thread::id thread;
  bool stopped = false;
};

/// Serves nothing, until it is stopped.
class IdleServer final : public http::Server {
 public:
  IdleServer(const Executor& executor, Seen& seen)
      : seen_(seen), end_(executor, boost::asio::steady_timer::time_point::max()) {}
  Task<Result<void>> run() override {
    seen_.thread = std::this_thread::get_id();
    boost::system::error_code ignored;
    co_await end_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    co_return Result<void>();
  }
  void stop() override {
    seen_.stopped = true;
    end_.cancel();
  }
  std::vector<std::string> addresses() const override { return {"127.0.0.1:1"}; }

 private:
  Seen& seen_;
  boost::asio::steady_timer end_;
};

class NoHandler final : public http::RequestHandler {
 public:
  Task<http::ServerResponse> handle(http::ServerRequest) override {
    co_return http::ServerResponse(404);
  }
};

class ServerThreadTest : public ::testing::Test {
 protected:
  Seen seen_;
  NoHandler handler_;
  ServerThread thread_{[this](const Executor& executor, const http::ListenAddress& address,
                              http::RequestHandler&) -> Result<std::unique_ptr<http::Server>> {
    if (address.port == 1) return Error(Errc::kUnavailable, "cannot listen");
    seen_.made.push_back(address.str());
    std::unique_ptr<http::Server> server = std::make_unique<IdleServer>(executor, seen_);
    return server;
  }};
};

TEST_F(ServerThreadTest, RunsServersOnAThreadOfItsOwnUntilStop) {
  EXPECT_THAT(thread_.add("metrics", ":8080", handler_), IsOk());
  thread_.start();
  thread_.stop();

  EXPECT_EQ(seen_.made, std::vector<std::string>{":8080"});
  EXPECT_TRUE(seen_.stopped);
  EXPECT_NE(seen_.thread, std::thread::id());
  EXPECT_NE(seen_.thread, std::this_thread::get_id());
}

TEST_F(ServerThreadTest, ZeroIsNowhere) {
  EXPECT_THAT(thread_.add("metrics", "0", handler_), IsOk());
  thread_.start();
  thread_.stop();
  EXPECT_TRUE(seen_.made.empty());
}

TEST_F(ServerThreadTest, SaysWhatIsWrongWithAnAddress) {
  EXPECT_THAT(thread_.add("metrics", "8080", handler_),
              FailsWith(Errc::kInvalid, "is no address to listen on"));
  EXPECT_THAT(thread_.add("metrics", ":1", handler_),
              FailsWith(Errc::kUnavailable, "cannot listen"));
}

}  // namespace
}  // namespace kiln::obs
