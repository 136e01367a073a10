#include "core/http/beast/exchange.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): see the header's "Lifetime".
namespace kiln::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBlockBytes = 64 * 1024;
constexpr std::uint64_t kLargeBody = 1024 * 1024;
/// How long a server that stopped reading us may take to say why.
constexpr milliseconds kEarlyAnswerLimit{2'000};

bool is_ours(std::string_view name) {
  constexpr std::array<std::string_view, 5> kOurs = {"host", "content-length", "transfer-encoding",
                                                     "connection", "expect"};
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::find(kOurs.begin(), kOurs.end(), lower) != kOurs.end();
}

bool wants_length(const Request& request) {
  return !request.body.empty() || request.method == "POST" || request.method == "PUT" ||
         request.method == "PATCH";
}

Result<void> ask_permit(const Request& request) {
  return request.permit ? request.permit() : Result<void>();
}

/// Fills `block` from the source up to its capacity or the end of what is left.
Result<void> fill(std::string& block, ByteSource& source, std::uint64_t& left) {
  auto used = block.size();
  // No more room than the body takes: most requests are short, and there may be hundreds a second.
  block.resize(used + std::min<std::uint64_t>(std::max(used, kBlockBytes) - used, left));
  while (used < block.size() && left > 0) {
    const auto want = std::min<std::uint64_t>(block.size() - used, left);
    auto count = source.read(std::span<char>(block.data() + used, static_cast<std::size_t>(want)));
    if (!count) return std::move(count).error();
    if (*count == 0)
      return Error(Errc::kInternal, "the request's body ended " + std::to_string(left) +
                                        " bytes before its announced size");
    used += *count;
    left -= *count;
  }
  block.resize(used);
  return {};
}

/// `block`, which may hold the header, then the body in blocks; the first one takes as much of the
/// body as fits.
Task<Result<void>> send_rest(Connection& connection, const Request& request, std::string block) {
  auto source = request.body.open();
  if (!source) co_return std::move(source).error();
  auto left = request.body.size_bytes();
  connection.begin_body();
  do {
    KILN_CO_TRY(fill(block, **source, left));
    KILN_CO_TRY(ask_permit(request));
    auto written = co_await connection.write(block, request.timeouts.idle);
    if (!written) co_return written;
    block.clear();
  } while (left > 0);
  co_return Result<void>();
}

Task<Result<void>> read_head(Connection& connection, ResponseParser& parser, milliseconds limit) {
  const auto deadline = Connection::Clock::now() + limit;
  for (;;) {
    auto complete = parser.parse_head(connection.buffer());
    if (!complete) co_return std::move(complete).error().while_doing(connection.peer());
    if (*complete) co_return Result<void>();
    auto more = co_await connection.read_until(deadline, limit,
                                               "waiting for the answer of " + connection.peer());
    if (!more) co_return std::move(more).error();
    if (!*more)
      co_return Error(Errc::kUnavailable,
                      connection.peer() + " closed the connection without an answer");
  }
}

void add_field(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ").append(value).append("\r\n");
}

/// The request line and header fields as they go over the wire. `forwarded`: see Connection.
/// Source: RFC 9112.
std::string request_header(const Request& request, const std::string& user_agent, bool asks_first,
                           const std::optional<std::string>& forwarded) {
  std::string text = request.method + " " + (forwarded ? request.url.str() : request.url.target()) +
                     " HTTP/1.1\r\n";
  const auto add = [&text](std::string_view name, std::string_view value) {
    add_field(text, name, value);
  };
  add("Host", request.url.host_port());
  if (forwarded && !forwarded->empty()) add("Proxy-Authorization", *forwarded);
  for (const auto& [name, value] : request.headers.fields())
    if (!is_ours(name)) add(name, value);
  if (!request.headers.has("User-Agent")) add("User-Agent", user_agent);
  if (!request.headers.has("Accept")) add("Accept", "*/*");
  if (wants_length(request)) add("Content-Length", std::to_string(request.body.size_bytes()));
  if (asks_first) add("Expect", "100-continue");
  return text + "\r\n";
}

enum class Leave { kGranted, kAnswered, kNothingSaid };

/// Waits for "100 Continue", or for an answer that makes the body superfluous.
Task<Result<Leave>> ask_for_leave(Connection& connection, ResponseParser& parser,
                                  milliseconds limit) {
  const auto deadline = Connection::Clock::now() + limit;
  for (;;) {
    auto complete = parser.parse_head(connection.buffer());
    if (!complete) co_return std::move(complete).error().while_doing(connection.peer());
    if (*complete) co_return Leave::kAnswered;
    if (parser.may_continue()) co_return Leave::kGranted;
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Connection::Clock::now());
    const auto arrived = co_await connection.read_within(std::max(left, milliseconds(0)));
    if (!arrived) co_return arrived.error();
    if (*arrived == Connection::Arrival::kNothing) co_return Leave::kNothingSaid;
    if (*arrived == Connection::Arrival::kEnd)
      co_return Error(Errc::kUnavailable,
                      connection.peer() + " closed the connection without an answer");
  }
}

}  // namespace

Task<Result<void>> open_tunnel(Connection& connection, const Url& target,
                               const std::string& authorization, const std::string& user_agent,
                               milliseconds limit) {
  const auto host = target.origin().substr(target.scheme().size() + 3);
  std::string text = "CONNECT " + host + " HTTP/1.1\r\n";
  add_field(text, "Host", host);
  if (!authorization.empty()) add_field(text, "Proxy-Authorization", authorization);
  add_field(text, "User-Agent", user_agent);
  text += "\r\n";
  KILN_CO_TRY(co_await connection.write(text, limit));
  ResponseParser parser(true);  // Whatever comes after the header belongs to the tunnel.
  KILN_CO_TRY(co_await read_head(connection, parser, limit));
  const auto status = parser.status();
  if (status >= 200 && status < 300 && connection.buffer().size() == 0) co_return Result<void>();
  if (status == 407)
    co_return Error(Errc::kDenied, connection.peer() + (authorization.empty()
                                                            ? " asks for credentials; write it as "
                                                              "http://USER:PASSWORD@HOST:PORT"
                                                            : " refused the credentials (407)"));
  if (status == 403)
    co_return Error(Errc::kDenied, connection.peer() + " does not let us reach " + host + " (403)");
  co_return Error(Errc::kUnavailable, connection.peer() + " answered " + std::to_string(status) +
                                          " when asked to reach " + host);
}

Task<Result<Sent>> exchange(Connection& connection, const Request& request,
                            const std::string& user_agent, LargeBody large,
                            ResponseParser& parser) {
  Sent sent;
  const bool asks = large == LargeBody::kAsksFirst && request.body.size_bytes() > kLargeBody;
  auto header = request_header(request, user_agent, asks, connection.forwarded());
  connection.begin_exchange();
  if (asks) {
    KILN_CO_TRY(ask_permit(request));
    KILN_CO_TRY(co_await connection.write(header, request.timeouts.idle));
    header.clear();
    const auto leave = co_await ask_for_leave(connection, parser, request.timeouts.leave);
    if (!leave) co_return leave.error();
    if (*leave == Leave::kAnswered) {
      sent.complete = false;
      co_return sent;
    }
    sent.went_unasked = *leave == Leave::kNothingSaid;
  }
  auto written = co_await send_rest(connection, request, std::move(header));
  if (!written) {
    // A server that refuses a large body answers (401, 413) and stops reading: the answer counts.
    if (written.error().code != Errc::kUnavailable) co_return std::move(written).error();
    sent.complete = false;
    const auto limit = std::min(request.timeouts.response, kEarlyAnswerLimit);
    auto early = co_await read_head(connection, parser, limit);
    if (early) co_return sent;
    if (early.error().code == Errc::kCancelled) co_return std::move(early).error();
    co_return std::move(written).error();
  }
  auto answered = co_await read_head(connection, parser, request.timeouts.response);
  if (!answered) co_return std::move(answered).error();
  co_return sent;
}

Task<Result<std::size_t>> read_body(Connection& connection, ResponseParser& parser,
                                    std::span<char> out, milliseconds idle) {
  for (;;) {
    auto count = parser.parse_body(connection.buffer(), out);
    if (!count) co_return std::move(count).error().while_doing(connection.peer());
    if (*count > 0 || parser.is_done()) co_return *count;
    auto more =
        co_await connection.read_until(Connection::Clock::now() + idle, idle,
                                       "receiving from " + connection.peer() + " without progress");
    if (!more) co_return std::move(more).error();
    if (*more) continue;
    auto ended = parser.end_of_stream();
    if (!ended) co_return std::move(ended).error().while_doing(connection.peer());
  }
}

}  // namespace kiln::http
// NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
