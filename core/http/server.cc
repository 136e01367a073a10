#include "core/http/server.h"

#include <charconv>

namespace kiln::http {
namespace {

Error bad_address(std::string_view text) {
  return {Errc::kInvalid, "\"" + std::string(text) +
                              "\" is no address to listen on; write HOST:PORT, [IPV6]:PORT, or "
                              ":PORT for all addresses"};
}

}  // namespace

bool ServerRequest::has_parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const auto one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (one.substr(0, one.find('=')) == name) return true;
  }
  return false;
}

ServerResponse::ServerResponse(int code, std::string text, std::string_view content_type)
    : status(code), body(std::move(text)) {
  if (!body.empty()) headers.set("Content-Type", content_type);
}

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return bad_address(text);
  auto host = text.substr(0, colon);
  const auto port = text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  constexpr std::string_view kNotInAName = " \t\r\n[]/@";
  if (host.find_first_of(kNotInAName) != host.npos) return bad_address(text);
  if (!bracketed && host.find(':') != host.npos) return bad_address(text);

  ListenAddress address;
  address.host = host;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) return bad_address(text);
  return address;
}

std::string ListenAddress::str() const {
  const bool ipv6 = host.find(':') != host.npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace kiln::http
