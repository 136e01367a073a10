#include "core/http/beast/exchange.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): see the header's "Lifetime".
namespace kiln::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBlockBytes = 64 * 1024;
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

/// Fills `block` from the source up to its capacity or the end of what is left.
Result<void> fill(std::string& block, ByteSource& source, std::uint64_t& left) {
  auto used = block.size();
  block.resize(std::max(used, kBlockBytes));
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

/// Header and body in blocks; the first block holds the header and as much of the body as fits.
Task<Result<void>> send_request(Connection& connection, const Request& request, std::string block) {
  auto source = request.body.open();
  if (!source) co_return std::move(source).error();
  auto left = request.body.size_bytes();
  do {
    KILN_CO_TRY(fill(block, **source, left));
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

}  // namespace

std::string request_header(const Request& request, const std::string& user_agent) {
  std::string text = request.method + " " + request.url.target() + " HTTP/1.1\r\n";
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  add("Host", request.url.host_port());
  for (const auto& [name, value] : request.headers.fields())
    if (!is_ours(name)) add(name, value);
  if (!request.headers.has("User-Agent")) add("User-Agent", user_agent);
  if (!request.headers.has("Accept")) add("Accept", "*/*");
  if (wants_length(request)) add("Content-Length", std::to_string(request.body.size_bytes()));
  return text + "\r\n";
}

Task<Result<Sent>> exchange(Connection& connection, const Request& request,
                            const std::string& user_agent, ResponseParser& parser) {
  Sent sent;
  auto header = request_header(request, user_agent);
  connection.begin_exchange();
  auto written = co_await send_request(connection, request, std::move(header));
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
