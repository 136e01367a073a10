#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace kiln {

/// A coroutine on an I/O executor. Vocabulary, allowed everywhere; sockets are not.
///
/// Rules (docs/decisions/0002-coroutines.md): arguments by value; no aggregate temporaries inside a
/// co_await expression (g++ 12 corrupts memory); no capturing lambda as a coroutine; every wait has
/// a deadline; nothing blocking on the I/O thread (see WorkPool).
template <class T>
using Task = boost::asio::awaitable<T>;

using Executor = boost::asio::any_io_executor;

}  // namespace kiln
