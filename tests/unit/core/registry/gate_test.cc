#include "core/registry/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

struct Log {
  int inside = 0;
  int most = 0;
  std::vector<int> order;
};

Task<int> visit(Gate* gate, std::shared_ptr<Log> log, int number) {
  const auto permit = co_await gate->enter();
  log->order.push_back(number);
  log->most = std::max(log->most, ++log->inside);
  for (int i = 0; i < 5; ++i)
    co_await boost::asio::post(co_await boost::asio::this_coro::executor,
                               boost::asio::use_awaitable);
  --log->inside;
  co_return number;
}

TEST(Gate, LetsSoManyInAndTheOthersInOrder) {
  Gate gate(2);
  auto log = std::make_shared<Log>();
  std::vector<Task<int>> visits;
  for (int i = 0; i < 9; ++i) visits.push_back(visit(&gate, log, i));

  EXPECT_EQ(run_together(std::move(visits)).size(), 9u);

  EXPECT_EQ(log->most, 2);
  EXPECT_THAT(log->order, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(Gate, WhoIsCancelledWhileWaitingLeavesTheQueue) {
  boost::asio::io_context context;
  Gate gate(1);
  auto log = std::make_shared<Log>();
  auto done = std::make_shared<std::vector<int>>();
  boost::asio::cancellation_signal cancel;
  std::exception_ptr failure;
  boost::asio::co_spawn(context, keep(visit(&gate, log, 1), done), boost::asio::detached);
  boost::asio::co_spawn(context, keep(visit(&gate, log, 2), done),
                        boost::asio::bind_cancellation_slot(
                            cancel.slot(), [&](std::exception_ptr e) { failure = e; }));
  boost::asio::co_spawn(context, keep(visit(&gate, log, 3), done), boost::asio::detached);
  boost::asio::post(context, [&] { cancel.emit(boost::asio::cancellation_type::terminal); });

  context.run();

  EXPECT_TRUE(failure);
  EXPECT_THAT(*done, ::testing::ElementsAre(1, 3));
}

}  // namespace
}  // namespace kiln::registry
