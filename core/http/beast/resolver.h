#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/http/host_resolver.h"

namespace kiln::http {

/// Names to addresses by the system's resolver, on threads of its own: getaddrinfo() blocks and
/// cannot be stopped, so a lookup that hangs is left behind and its late answer dropped. Lifetime:
/// the destructor waits for lookups under way.
class Resolver final : public HostResolver {
 public:
  using Addresses = std::vector<boost::asio::ip::address>;
  using Lookup = std::function<Result<Addresses>(const std::string&)>;

  /// `lookup` replaces the system's resolver unless it is null; it is called on these threads.
  explicit Resolver(std::size_t threads, Lookup lookup = nullptr)
      : lookup_(std::move(lookup)), threads_(threads) {}
  ~Resolver() override {
    threads_.stop();  // What has not begun yet is dropped.
    threads_.join();
  }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  [[nodiscard]] Task<Result<Addresses>> resolve(std::string host,
                                                std::chrono::milliseconds limit) override;

 private:
  const Lookup lookup_;
  boost::asio::thread_pool threads_;
};

}  // namespace kiln::http
