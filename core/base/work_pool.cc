#include "core/base/work_pool.h"

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace kiln {

struct WorkPool::Impl {
  explicit Impl(std::size_t threads) : pool(threads) {}
  boost::asio::thread_pool pool;
};

WorkPool::WorkPool(std::size_t threads)
    : threads_(std::max<std::size_t>(threads, 1)), impl_(std::make_unique<Impl>(threads_)) {}

WorkPool::~WorkPool() {
  stop();
}

void WorkPool::stop() {
  impl_->pool.join();
}

Task<void> WorkPool::run_erased(std::function<void()> work) {
  auto initiate = [this, &work](auto handler) {
    auto executor = boost::asio::get_associated_executor(handler);
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    // The guard keeps the I/O context running while only the pool works for it.
    auto guard = boost::asio::make_work_guard(executor);
    boost::asio::post(impl_->pool, [&work, shared, executor, guard] {
      work();
      boost::asio::post(executor, [shared] { std::move (*shared)(); });
    });
  };
  co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
      std::move(initiate), boost::asio::use_awaitable);
}

}  // namespace kiln
