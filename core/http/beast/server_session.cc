#include "core/http/beast/server_session.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <exception>
#include <utility>

#include "core/base/deadline.h"
#include "core/base/log.h"
#include "core/base/redact.h"

namespace kiln::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::redirect_error;
using asio::use_awaitable;

/// Instead of a status: the connection ends without a word.
constexpr int kSilently = 0;
/// How long a client that is still sending has to read why it was refused.
constexpr std::chrono::milliseconds kLinger{1'000};
constexpr int kLingerReads = 64;

/// What a failed read in the middle of a request means. A deadline has closed the connection
/// already.
int refusal_of(const boost::system::error_code& failure) {
  using beast::http::error;
  if (failure == error::header_limit || failure == error::buffer_overflow) return 431;
  if (failure == error::body_limit) return 413;
  if (failure == error::bad_version) return 505;
  if (failure == error::end_of_stream || failure == error::partial_message) return kSilently;
  const auto http = beast::http::make_error_code(error::bad_value);
  return failure.category() == http.category() ? 400 : kSilently;
}

Task<Result<ServerResponse>> as_result(Task<ServerResponse> task) {
  co_return co_await std::move(task);
}

bool is_own_field(std::string_view name) {
  return beast::iequals(name, "Content-Length") || beast::iequals(name, "Connection") ||
         beast::iequals(name, "Date") || beast::iequals(name, "Transfer-Encoding");
}

ServerResponse plain(int status) {
  const auto reason = beast::http::obsolete_reason(static_cast<beast::http::status>(status));
  return ServerResponse(status, std::string(reason) + "\n");
}

/// "http://host/path" is a form that servers must take too (RFC 9112 3.2.2); the host is not used.
std::string_view without_authority(std::string_view target) {
  const auto scheme = target.find("://");
  if (target.starts_with('/') || scheme == target.npos) return target;
  const auto path = target.find_first_of("/?", scheme + 3);
  return path == target.npos ? "/" : target.substr(path);
}

}  // namespace

std::string response_header(const ServerResponse& response, bool keep,
                            std::chrono::sys_seconds now) {
  const auto status = static_cast<beast::http::status>(response.status);
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " +
                     std::string(beast::http::obsolete_reason(status)) + "\r\n";
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  add("Date", format_http_date(now));
  for (const auto& [name, value] : response.headers.fields())
    if (!is_own_field(name)) add(name, value);
  if (response.status != 204 && response.status != 304)
    add("Content-Length", std::to_string(response.body.size()));
  add("Connection", keep ? "keep-alive" : "close");
  return text + "\r\n";
}

ServerSession::ServerSession(asio::ip::tcp::socket socket, const ServerOptions& options,
                             RequestHandler& handler)
    : stream_(std::move(socket)),
      // Room for a header, or for a line between two chunks of a body.
      buffer_(2 * static_cast<std::size_t>(options.header_limit_bytes)),
      options_(options),
      handler_(handler) {
  boost::system::error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  peer_ = stream_.socket().remote_endpoint(ignored).address();
  if (peer_.is_v6() && peer_.to_v6().is_v4_mapped())
    peer_ = asio::ip::make_address_v4(asio::ip::v4_mapped, peer_.to_v6());
}

void ServerSession::drain() {
  draining_ = true;
  if (resting_since_) cut();
}

void ServerSession::cut() {
  stream_.close();
}

Task<void> ServerSession::run() {
  for (bool first = true, keep = true; keep; first = false) {
    const bool begun = co_await wait_for_request(first);
    if (!begun) co_return;
    Parser parser;
    parser.header_limit(options_.header_limit_bytes);
    parser.body_limit(options_.body_limit_bytes);
    const auto refused = co_await read_request(parser);
    if (refused) {
      if (*refused != kSilently) co_await refuse(*refused);
      co_return;
    }
    const bool head = parser.get().method() == beast::http::verb::head;
    const bool reusable = parser.keep_alive();
    auto response = co_await ask_handler(request_of(parser));
    keep = reusable && !draining_;
    const bool written = co_await write(std::move(response), head, keep);
    if (!written) co_return;
  }
  boost::system::error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

/// Answers whether there is one: false at the connection's end, however it came.
Task<bool> ServerSession::wait_for_request(bool first) {
  if (draining_) co_return false;
  resting_since_ = Clock::now();
  if (buffer_.size() > 0) co_return true;  // Pipelined.
  boost::system::error_code error;
  stream_.expires_after(first ? options_.header : options_.idle);
  const auto space = buffer_.prepare(std::min<std::size_t>(buffer_.max_size(), 4096));
  const auto count = co_await stream_.async_read_some(space, redirect_error(use_awaitable, error));
  buffer_.commit(count);
  co_return !error;
}

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): run() holds the parser.
/// Nullopt: `parser` has a whole request. Else with what to refuse it.
Task<std::optional<int>> ServerSession::read_request(Parser& parser) {
  boost::system::error_code error;
  stream_.expires_after(options_.header);
  co_await beast::http::async_read_header(stream_, buffer_, parser,
                                          redirect_error(use_awaitable, error));
  resting_since_.reset();
  if (error) co_return refusal_of(error);
  const auto& message = parser.get();
  if (message.version() != 11 && message.version() != 10) co_return 505;
  const auto hosts = message.count(beast::http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11)) co_return 400;
  if (message.target().empty()) co_return 400;
  const auto expected = message[beast::http::field::expect];
  if (!expected.empty() && !beast::iequals(expected, "100-continue")) co_return 417;
  const auto failed = co_await read_body(parser);
  if (failed) co_return refusal_of(failed);
  co_return std::nullopt;
}

Task<boost::system::error_code> ServerSession::read_body(Parser& parser) {
  boost::system::error_code error;
  if (parser.is_done()) co_return error;
  stream_.expires_after(options_.body);
  if (!parser.get()[beast::http::field::expect].empty()) {
    constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await asio::async_write(stream_, asio::buffer(kGoOn), redirect_error(use_awaitable, error));
    if (error) co_return error;
  }
  co_await beast::http::async_read(stream_, buffer_, parser, redirect_error(use_awaitable, error));
  co_return error;
}

// NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)

ServerRequest ServerSession::request_of(Parser& parser) const {
  auto& message = parser.get();
  ServerRequest request;
  request.method = message.method_string();
  const std::string_view target(message.target().data(), message.target().size());
  const auto local = without_authority(target);
  const auto question = local.find('?');
  request.path = local.substr(0, question);
  if (question != local.npos) request.query = local.substr(question + 1);
  if (request.path.empty()) request.path = "/";
  for (const auto& field : message)
    request.headers.add({field.name_string().data(), field.name_string().size()},
                        {field.value().data(), field.value().size()});
  request.body = std::move(message.body());
  request.peer = peer_;
  return request;
}

/// The worker loop of a server: what a handler throws ends here.
Task<ServerResponse> ServerSession::ask_handler(ServerRequest request) {
  const auto path = sanitize_server_text(request.path, 128);
  std::string failure;
  try {
    auto limited = with_deadline(as_result(handler_.handle(std::move(request))), options_.handler,
                                 std::string("answering"));
    auto response = co_await std::move(limited);
    if (response) co_return std::move(*response);
    log::warning("request was not answered", {{"path", path}, {"error", response.error().message}});
    co_return plain(503);
  } catch (const std::exception& e) {
    failure = sanitize_server_text(e.what());
  }
  log::error("request handler threw", {{"path", path}, {"error", failure}});
  co_return plain(500);
}

Task<bool> ServerSession::write(ServerResponse response, bool head, bool keep) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto header = response_header(response, keep, now);
  const auto body = head ? std::string_view() : std::string_view(response.body);
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(header), asio::buffer(body)};
  boost::system::error_code error;
  stream_.expires_after(options_.write);
  co_await asio::async_write(stream_, parts, redirect_error(use_awaitable, error));
  co_return !error;
}

/// Says why, and lets the client read it: closing while it is still sending would reset the
/// connection and could take the answer away from it (RFC 9112 9.6).
Task<void> ServerSession::refuse(int status) {
  const bool written = co_await write(plain(status), false, false);
  if (!written) co_return;
  boost::system::error_code error;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  stream_.expires_after(kLinger);
  std::array<char, 16'384> rest{};
  for (int reads = 0; reads < kLingerReads && !error; ++reads)
    co_await stream_.async_read_some(asio::buffer(rest), redirect_error(use_awaitable, error));
}

}  // namespace kiln::http
