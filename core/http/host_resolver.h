#pragma once
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln::http {

/// Names to addresses, for who has others connect (the git program) and must know, and check,
/// where they go to.
class HostResolver {
 public:
  virtual ~HostResolver() = default;

  /// All addresses of `host` in the system's order; an address in text form is answered as it is.
  /// Errors: kUnavailable ("cannot find …"), kTimeout. Cancellation: at any point.
  [[nodiscard]] virtual Task<Result<std::vector<boost::asio::ip::address>>> resolve(
      std::string host, std::chrono::milliseconds limit) = 0;
};

}  // namespace kiln::http
