#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/http/beast/connection.h"
#include "core/http/message.h"

namespace kiln::http {

/// An address that may be connected to, and what the egress policy found it to be.
struct Candidate {
  boost::asio::ip::tcp::endpoint endpoint{};
  AddressKind kind = AddressKind::kPublic;
};

/// Replaces an endpoint at the last moment; for tests.
using Detour = std::function<boost::asio::ip::tcp::endpoint(boost::asio::ip::tcp::endpoint)>;

/// A connection and the candidate it went to.
struct Dialed {
  std::unique_ptr<Connection> connection;
  AddressKind kind = AddressKind::kPublic;
  Dialed() = default;  // Not an aggregate: may travel through co_await.
};

/// Connects to one of `candidates`, in their order of preference: the next one is tried when the
/// one before failed or said nothing for a quarter of a second, and the first that answers is
/// taken. So an address that leads nowhere costs no more than that. Source: RFC 8305, 5.
/// Precondition: there is at least one. Errors: kUnavailable, kTimeout, kCancelled, naming `peer`.
[[nodiscard]] Task<Result<Dialed>> dial(Executor executor, std::string peer,
                                        std::vector<Candidate> candidates,
                                        std::chrono::milliseconds limit, Detour detour);

}  // namespace kiln::http
