#include "core/http/beast/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <memory>
#include <utility>

#include "core/base/deadline.h"

namespace kiln::http {
namespace {

namespace asio = boost::asio;
using Addresses = Resolver::Addresses;

constexpr std::size_t kMaxAddresses = 16;

std::string lookup_words(int failure) {
  switch (failure) {
    case EAI_NONAME:
      return "no such host";
    case EAI_AGAIN:
      return "the name server did not answer";
    default:
      return gai_strerror(failure);
  }
}

asio::ip::address address_of(const addrinfo& info) {
  if (info.ai_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, info.ai_addr, sizeof v4);
    return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  sockaddr_in6 v6{};
  std::memcpy(&v6, info.ai_addr, sizeof v6);
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return asio::ip::address_v6(bytes, v6.sin6_scope_id);
}

Result<Addresses> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &found); failure != 0)
    return Error(Errc::kUnavailable, "cannot find " + host + ": " + lookup_words(failure));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  Addresses addresses;
  for (const auto* info = found; info != nullptr; info = info->ai_next) {
    if (info->ai_family != AF_INET && info->ai_family != AF_INET6) continue;
    const auto address = address_of(*info);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end() &&
        addresses.size() < kMaxAddresses)
      addresses.push_back(address);
  }
  return addresses;
}

/// Shared by the waiting task and the lookup's thread, because either may go first.
struct Question {
  explicit Question(const Executor& executor, std::chrono::milliseconds limit)
      : done(executor, limit) {}
  asio::steady_timer done;  ///< Cancelled when `answer` is there. Executor's thread only.
  std::optional<Result<Addresses>> answer;
};

}  // namespace

Task<Result<Resolver::Addresses>> Resolver::resolve(std::string host,
                                                    std::chrono::milliseconds limit) {
  boost::system::error_code error;
  if (const auto address = asio::ip::make_address(host, error); !error)
    co_return Addresses(1, address);

  const auto executor = co_await asio::this_coro::executor;
  auto question = std::make_shared<Question>(executor, limit);
  asio::post(threads_, [this, question, host, executor] {  // The destructor waits for this.
    auto answer = lookup_ ? lookup_(host) : look_up(host);
    asio::post(executor, [question, answer = std::move(answer)]() mutable {
      question->answer.emplace(std::move(answer));
      question->done.cancel();
    });
  });
  co_await question->done.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (question->answer) co_return std::move(*question->answer);
  if (error) co_return Error(Errc::kCancelled, "looking up " + host + " was cancelled");
  co_return deadline_error("looking up " + host, limit);
}

}  // namespace kiln::http
