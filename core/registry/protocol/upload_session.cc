#include "core/registry/protocol/upload_session.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace kiln::registry::protocol {
namespace {

constexpr std::uint64_t kMaxChunkBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMaxCookies = 16;
constexpr std::size_t kMaxCookieBytes = 1024;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Registries behind a TLS proxy that does not tell them so name themselves in plain http.
Result<http::Url> same_host_in_https(const http::Url& location, const http::Url& asked) {
  const bool own_port = location.port() == 80 || location.port() == asked.port();
  if (location.host() != asked.host() || !own_port)
    return Error(Errc::kEgressDenied, asked.host_port() +
                                          " wants the upload to go on without TLS, at " +
                                          location.redacted() + "; refused");
  auto url = asked.resolve(location.target());
  if (!url) return url.error();
  return url;
}

Result<http::Url> next_location(const http::ResponseHead& answer) {
  const auto text = answer.headers.get("Location");
  if (text.empty())
    return Error(Errc::kInvalid,
                 answer.url.host_port() + " began an upload without saying where (no Location)");
  auto location = answer.url.resolve(text);
  if (!location)
    return Error(Errc::kInvalid,
                 answer.url.host_port() + " answered with a Location that is not a URL");
  if (answer.url.is_https() && !location->is_https())
    return same_host_in_https(*location, answer.url);
  return location;
}

}  // namespace

Result<UploadSession> UploadSession::begin(const http::ResponseHead& answer) {
  auto location = next_location(answer);
  if (!location) return location.error();
  UploadSession session(answer.url, *std::move(location));
  if (!session.at_registry()) session.named_by_ = answer.peer;
  const auto min = parse_number(answer.headers.get("OCI-Chunk-Min-Length"));
  session.chunk_min_bytes_ = std::min(min.value_or(0), kMaxChunkBytes);
  session.take_cookies(answer);
  return session;
}

/// Names and values only: they live as long as the session and go where it began (RFC 6265, 5.4).
void UploadSession::take_cookies(const http::ResponseHead& answer) {
  if (answer.url.origin() != registry_.origin()) return;
  for (const auto field : answer.headers.all("Set-Cookie")) {
    const auto pair = field.substr(0, field.find(';'));
    const auto equals = pair.find('=');
    if (equals == pair.npos || equals == 0 || pair.size() > kMaxCookieBytes) continue;
    if (cookies_.size() < kMaxCookies)
      cookies_.insert_or_assign(std::string(pair.substr(0, equals)),
                                std::string(pair.substr(equals + 1)));
  }
}

Result<void> UploadSession::moved_by(const http::ResponseHead& answer) {
  take_cookies(answer);
  if (!answer.headers.has("Location")) return {};
  auto location = next_location(answer);
  if (!location) return location.error();
  location_ = *std::move(location);
  if (at_registry())
    named_by_.reset();
  else if (location_.origin() != answer.url.origin())
    named_by_ = answer.peer;
  return {};
}

http::Request UploadSession::request(std::string method, http::Url url) const {
  http::Request request(std::move(method), std::move(url));
  request.named_by = named_by_;
  if (at_registry() && !cookies_.empty()) {
    std::string cookies;
    for (const auto& [name, value] : cookies_)
      cookies += (cookies.empty() ? "" : "; ") + name + "=" + value;
    request.headers.set("Cookie", cookies);
  }
  return request;
}

http::Request UploadSession::finish(const oci::Digest& digest, http::Body body) const {
  auto put = request("PUT", location_.with_query("digest", digest.str()));
  put.headers.set("Content-Type", "application/octet-stream");
  put.body = std::move(body);
  return put;
}

http::Request UploadSession::finish_from(const oci::Digest& digest, http::Body rest,
                                         std::uint64_t offset, std::uint64_t total_bytes) const {
  auto put = finish(digest, std::move(rest));
  put.headers.set("Content-Range", std::to_string(offset) + "-" + std::to_string(total_bytes - 1));
  return put;
}

http::Request UploadSession::chunk(http::Body bytes, std::uint64_t offset) const {
  auto patch = request("PATCH", location_);
  patch.headers.set("Content-Type", "application/octet-stream");
  patch.headers.set("Content-Range",
                    std::to_string(offset) + "-" + std::to_string(offset + bytes.size_bytes() - 1));
  patch.body = std::move(bytes);
  return patch;
}

http::Request UploadSession::status() const {
  return request("GET", location_);
}

http::Request UploadSession::cancel() const {
  return request("DELETE", location_);
}

std::optional<std::uint64_t> UploadSession::held_bytes(const http::ResponseHead& answer) {
  auto range = answer.headers.get("Range");
  if (range.starts_with("bytes=")) range.remove_prefix(6);
  if (!range.starts_with("0-")) return std::nullopt;
  const auto last = parse_number(range.substr(2));
  if (!last || *last == UINT64_MAX) return std::nullopt;
  return *last == 0 ? 0 : *last + 1;
}

}  // namespace kiln::registry::protocol
