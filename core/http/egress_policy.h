#pragma once
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/http/message.h"

namespace kiln::http {

/// A range of addresses, e.g. "10.0.0.0/8", "fd00::/8", or one address. A small immutable value.
class Cidr {
 public:
  /// Errors: kInvalid, naming the part that is wrong (also "10.0.0.1/8": bits beyond the prefix).
  [[nodiscard]] static Result<Cidr> parse(std::string_view text);

  /// IPv4 ranges hold IPv4 addresses only, IPv6 ranges IPv6 addresses only.
  bool contains(const boost::asio::ip::address& address) const;
  /// The prefix length with an IPv4 range counted as 96 bits longer, so that lengths compare.
  int specificity() const;
  std::string str() const;

 private:
  Cidr(boost::asio::ip::address network, int prefix)
      : network_(std::move(network)), prefix_(prefix) {}
  boost::asio::ip::address network_;
  int prefix_;
};

/// Public, private or loopback. An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4,
/// NAT64, Teredo) is of the kind of what it carries. Link-local and reserved ones count as private
/// here; that they are denied is the policy's business.
AddressKind kind_of(const boost::asio::ip::address& address);

/// Which addresses Kiln may connect to. Asked with the address a socket is about to go to, after
/// name resolution, never with a name: a name can change its answer between two looks.
///
/// Of all ranges that hold an address the most specific one decides; of equally long ones `deny`
/// goes before `allow`, and `allow` before the defaults. So "deny 0.0.0.0/0, allow 10.1.0.0/16" is
/// an allow list, and "allow 10.0.0.0/8" does not open a denied 10.0.0.1/32. Defaults: link-local
/// and the clouds' metadata addresses are denied; on wish, loopback. Whatever the lists say:
/// unspecified, multicast and reserved addresses, and `deny_endpoints`. Threads: immutable after
/// construction; any.
class EgressPolicy {
 public:
  struct Endpoint {
    boost::asio::ip::address address;
    std::uint16_t port = 0;
  };
  struct Rules {
    std::vector<Cidr> allow{};   ///< --egress-allow
    std::vector<Cidr> deny{};    ///< --egress-deny
    bool deny_loopback = false;  ///< In a pod, loopback is the neighbours' sidecars.
    std::vector<Endpoint>
        deny_endpoints{};  ///< Address and port, e.g. of the cluster's API server.
  };

  EgressPolicy() = default;  ///< The defaults alone.
  explicit EgressPolicy(Rules rules) : rules_(std::move(rules)) {}

  /// May a connection go to `address`, and what kind of address is it? `named_by`: see Request.
  /// Another server's word leads to a private address only if that server was reached at a private
  /// or loopback one, to loopback only from loopback, to link-local never. Errors: kEgressDenied,
  /// naming the address and the rule.
  [[nodiscard]] Result<AddressKind> check(const boost::asio::ip::address& address,
                                          std::uint16_t port,
                                          std::optional<AddressKind> named_by) const;

  /// The same where only the name is known, because a proxy looks it up. Addresses in text form are
  /// checked as addresses. Names that stand for loopback or the clouds' metadata services count as
  /// those, names that only a private network has ("vault", "db.svc", "nas.local") as private, all
  /// others as public. What a name hides nobody can tell here. Errors: kEgressDenied.
  [[nodiscard]] Result<AddressKind> check_name(const std::string& host, std::uint16_t port,
                                               std::optional<AddressKind> named_by) const;

 private:
  Result<void> check_ranges(const boost::asio::ip::address& address) const;
  Rules rules_;
};

/// Reads the values of --egress-allow or --egress-deny: each one range or several, comma-separated.
/// Errors: kInvalid, naming the bad range.
[[nodiscard]] Result<std::vector<Cidr>> parse_cidrs(const std::vector<std::string>& texts);

}  // namespace kiln::http
