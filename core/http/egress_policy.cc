#include "core/http/egress_policy.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace kiln::http {
namespace {

namespace ip = boost::asio::ip;

int width_of(const ip::address& address) {
  return address.is_v4() ? 32 : 128;
}

std::array<std::uint8_t, 16> bytes_of(const ip::address& address) {
  std::array<std::uint8_t, 16> out{};
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    std::copy(bytes.begin(), bytes.end(), out.begin());
  } else {
    const auto bytes = address.to_v6().to_bytes();
    std::copy(bytes.begin(), bytes.end(), out.begin());
  }
  return out;
}

bool same_prefix(const ip::address& a, const ip::address& b, int bits) {
  const auto left = bytes_of(a), right = bytes_of(b);
  for (std::size_t i = 0; i < left.size() && bits > 0; ++i, bits -= 8) {
    const auto mask = bits >= 8 ? 0xff : 0xff & (0xff << (8 - bits));
    if ((left[i] & mask) != (right[i] & mask)) return false;
  }
  return true;
}

/// A range of ours, given as text that is known to be good.
struct Range {
  Cidr cidr;
  const char* what;
  explicit Range(const char* text, const char* w = "") : cidr(*Cidr::parse(text)), what(w) {}
};

const Range* find(const std::vector<Range>& ranges, const ip::address& address) {
  const auto at = std::find_if(ranges.begin(), ranges.end(),
                               [&](const Range& range) { return range.cidr.contains(address); });
  return at == ranges.end() ? nullptr : &*at;
}

/// Nothing that serves a registry or repository lives there. Sources: IANA's special-purpose
/// registries.
const std::vector<Range>& never_ranges() {
  static const std::vector<Range> kRanges = {
      Range("0.0.0.0/8", "unspecified"), Range("::/128", "unspecified"),
      Range("224.0.0.0/4", "multicast"), Range("ff00::/8", "multicast"),
      Range("240.0.0.0/4", "reserved"),
  };
  return kRanges;
}

const std::vector<Range>& link_local_ranges() {
  static const std::vector<Range> kRanges = {Range("169.254.0.0/16", "link-local"),
                                             Range("fe80::/10", "link-local")};
  return kRanges;
}

/// Metadata services that are not link-local: AWS (IPv6), Google (IPv6), Alibaba, Azure, Oracle.
const std::vector<Range>& metadata_ranges() {
  static const std::vector<Range> kRanges = {
      Range("fd00:ec2::/32", "a cloud's metadata service"),
      Range("fd20:ce::254/128", "a cloud's metadata service"),
      Range("100.100.100.200/32", "a cloud's metadata service"),
      Range("168.63.129.16/32", "a cloud's metadata service"),
      Range("192.0.0.192/32", "a cloud's metadata service"),
  };
  return kRanges;
}

const std::vector<Range>& loopback_ranges() {
  static const std::vector<Range> kRanges = {Range("127.0.0.0/8", "loopback"),
                                             Range("::1/128", "loopback")};
  return kRanges;
}

/// Not reachable from the internet at large: RFC 1918, 4193, 6598, 3879, 2544, 5737, 3849 and
/// link-local.
const std::vector<Range>& private_ranges() {
  static const std::vector<Range> kRanges = {
      Range("10.0.0.0/8"),     Range("172.16.0.0/12"),  Range("192.168.0.0/16"),
      Range("100.64.0.0/10"),  Range("169.254.0.0/16"), Range("192.0.0.0/24"),
      Range("192.0.2.0/24"),   Range("198.18.0.0/15"),  Range("198.51.100.0/24"),
      Range("203.0.113.0/24"), Range("0.0.0.0/8"),      Range("240.0.0.0/4"),
      Range("fc00::/7"),       Range("fe80::/10"),      Range("fec0::/10"),
      Range("2001:db8::/32"),  Range("100::/64"),       Range("::/128"),
  };
  return kRanges;
}

/// The IPv4 address that an IPv6 one carries and that a packet may end up at.
std::optional<ip::address_v4> embedded_v4(const ip::address& address) {
  struct Form {
    Cidr range;
    std::size_t offset;
    bool inverted;
  };
  static const std::vector<Form> kForms = {
      {*Cidr::parse("::ffff:0:0/96"), 12, false},    // IPv4-mapped
      {*Cidr::parse("::/96"), 12, false},            // IPv4-compatible (but ::1 and ::)
      {*Cidr::parse("::ffff:0:0:0/96"), 12, false},  // IPv4-translated, RFC 2765
      {*Cidr::parse("64:ff9b::/96"), 12, false},     // NAT64, RFC 6052
      {*Cidr::parse("64:ff9b:1::/48"), 12, false},   // local NAT64, RFC 8215
      {*Cidr::parse("2002::/16"), 2, false},         // 6to4, RFC 3056
      {*Cidr::parse("2001::/32"), 12, true},         // Teredo, RFC 4380
  };
  if (!address.is_v6()) return std::nullopt;
  const auto v6 = address.to_v6();
  if (v6.is_loopback() || v6.is_unspecified()) return std::nullopt;
  const auto bytes = v6.to_bytes();
  for (const auto& form : kForms) {
    if (!form.range.contains(address)) continue;
    ip::address_v4::bytes_type out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto byte = bytes[form.offset + i];
      out[i] = form.inverted ? static_cast<std::uint8_t>(~byte) : byte;
    }
    return ip::address_v4(out);
  }
  return std::nullopt;
}

/// The address itself and what it carries; each must be allowed.
std::vector<ip::address> faces_of(const ip::address& address) {
  std::vector<ip::address> faces = {address};
  if (const auto inner = embedded_v4(address)) faces.emplace_back(*inner);
  return faces;
}

Error denied(const ip::address& address, const std::string& why) {
  return {Errc::kEgressDenied, "the egress policy forbids " + address.to_string() + ": " + why};
}

int longest(const std::vector<Cidr>& ranges, const ip::address& address) {
  int best = -1;
  for (const auto& range : ranges)
    if (range.contains(address)) best = std::max(best, range.specificity());
  return best;
}

const char* name_of_kind(AddressKind kind) {
  if (kind == AddressKind::kLoopback) return "loopback";
  return kind == AddressKind::kPrivate ? "private" : "public";
}

/// How far a server's word carries: public < private < loopback.
int trust_of(AddressKind kind) {
  if (kind == AddressKind::kLoopback) return 2;
  return kind == AddressKind::kPrivate ? 1 : 0;
}

bool is_name_or_below(std::string_view name, std::string_view domain) {
  if (name == domain) return true;
  return name.size() > domain.size() && name.ends_with(domain) &&
         name[name.size() - domain.size() - 1] == '.';
}

/// Names that the public DNS does not have: single words, and the endings of RFC 6762 (and its
/// appendix G), RFC 8375 and of clusters.
bool is_private_name(std::string_view name) {
  constexpr std::array<std::string_view, 9> kEndings = {
      "local", "internal", "svc", "intranet", "private", "corp", "home", "lan", "home.arpa"};
  return name.find('.') == name.npos ||
         std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return is_name_or_below(name, ending); });
}

}  // namespace

Result<Cidr> Cidr::parse(std::string_view text) {
  const auto quoted = "\"" + std::string(text.substr(0, 64)) + "\"";
  const auto slash = text.find('/');
  boost::system::error_code error;
  const auto network = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error || (network.is_v6() && network.to_v6().scope_id() != 0))
    return Error(Errc::kInvalid,
                 quoted + " is not an address range; write for example 10.0.0.0/8 or fd00::/8");
  int prefix = width_of(network);
  if (slash != text.npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (failure != std::errc() || end != digits.data() + digits.size() || prefix < 0 ||
        prefix > width_of(network))
      return Error(Errc::kInvalid, quoted + ": the number after \"/\" must be from 0 to " +
                                       std::to_string(width_of(network)));
  }
  const auto bytes = bytes_of(network);
  for (int bit = prefix; bit < width_of(network); ++bit)
    if ((bytes[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1) != 0)
      return Error(Errc::kInvalid, quoted + " has address bits set beyond its prefix length");
  return Cidr(network, prefix);
}

bool Cidr::contains(const ip::address& address) const {
  return address.is_v4() == network_.is_v4() && same_prefix(address, network_, prefix_);
}

int Cidr::specificity() const {
  return network_.is_v4() ? prefix_ + 96 : prefix_;
}

std::string Cidr::str() const {
  return network_.to_string() + "/" + std::to_string(prefix_);
}

AddressKind kind_of(const ip::address& address) {
  const auto inner = embedded_v4(address);
  const auto face = inner ? ip::address(*inner) : address;
  if (find(loopback_ranges(), face)) return AddressKind::kLoopback;
  if (find(private_ranges(), face)) return AddressKind::kPrivate;
  return AddressKind::kPublic;
}

Result<void> EgressPolicy::check_ranges(const ip::address& address) const {
  if (const auto* range = find(never_ranges(), address))
    return denied(address, std::string("it is ") + range->what);
  const int deny = longest(rules_.deny, address);
  const int allow = longest(rules_.allow, address);
  if (deny >= 0 && deny >= allow) return denied(address, "it is in a range of --egress-deny");

  const Range* built_in = find(link_local_ranges(), address);
  if (!built_in) built_in = find(metadata_ranges(), address);
  if (!built_in && rules_.deny_loopback) built_in = find(loopback_ranges(), address);
  if (built_in && built_in->cidr.specificity() > allow)
    return denied(address, std::string("it is ") + built_in->what);
  return {};
}

Result<AddressKind> EgressPolicy::check(const ip::address& address, std::uint16_t port,
                                        std::optional<AddressKind> named_by) const {
  const auto kind = kind_of(address);
  for (const auto& face : faces_of(address)) {
    for (const auto& endpoint : rules_.deny_endpoints)
      if (endpoint.port == port && endpoint.address == face)
        return denied(face, "port " + std::to_string(port) + " there is the cluster's own");
    if (const auto ok = check_ranges(face); !ok) return ok.error();
    if (named_by && find(link_local_ranges(), face))
      return denied(face, "it is link-local, and another server named it");
  }
  if (named_by && trust_of(kind) > trust_of(*named_by))
    return denied(address, std::string("it is ") + name_of_kind(kind) +
                               ", and the server that named it is " + name_of_kind(*named_by));
  return kind;
}

Result<AddressKind> EgressPolicy::check_name(const std::string& host, std::uint16_t port,
                                             std::optional<AddressKind> named_by) const {
  boost::system::error_code not_an_address;
  const auto address = ip::make_address(host, not_an_address);
  if (!not_an_address) return check(address, port, named_by);
  const auto name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
  if (is_name_or_below(name, "localhost")) return check(ip::address_v4::loopback(), port, named_by);
  for (const auto* metadata : {"metadata", "metadata.google.internal", "metadata.goog",
                               "instance-data", "instance-data.ec2.internal"})
    if (name == metadata)
      return Error(Errc::kEgressDenied,
                   "the egress policy forbids " + name + ": it is a cloud's metadata service");
  const auto kind = is_private_name(name) ? AddressKind::kPrivate : AddressKind::kPublic;
  if (named_by && trust_of(kind) > trust_of(*named_by))
    return Error(Errc::kEgressDenied, "the egress policy forbids " + name +
                                          ": it is the name of a private host, and " +
                                          "the server that named it is " + name_of_kind(*named_by));
  return kind;
}

Result<std::vector<Cidr>> parse_cidrs(const std::vector<std::string>& texts) {
  std::vector<Cidr> ranges;
  for (const auto& text : texts) {
    for (std::size_t at = 0; at <= text.size();) {
      const auto end = std::min(text.find(',', at), text.size());
      auto range = Cidr::parse(text.substr(at, end - at));
      if (!range) return range.error();
      ranges.push_back(std::move(*range));
      at = end + 1;
    }
  }
  return ranges;
}

}  // namespace kiln::http
