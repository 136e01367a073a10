#include "core/base/deadline.h"

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

#include "core/base/time_text.h"

namespace kiln {

Error deadline_error(const std::string& what, std::chrono::milliseconds limit) {
  return Error(Errc::kTimeout, what + " took longer than " + format_duration(limit));
}

Task<Result<void>> sleep_for(std::chrono::milliseconds duration) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, duration);
  boost::system::error_code error;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
  if (error) co_return Error(Errc::kCancelled, "cancelled while waiting");
  co_return Result<void>();
}

namespace detail {

Error cancelled_or_rethrow(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& e) {
    if (e.code() == boost::asio::error::operation_aborted) return {Errc::kCancelled, "cancelled"};
    throw;
  }
}

}  // namespace detail
}  // namespace kiln
