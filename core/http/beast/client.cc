#include "core/http/beast/client.h"

#include <array>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/http/beast/connector.h"
#include "core/http/beast/exchange.h"
#include "core/http/redirect.h"

namespace kiln::http {
namespace {

/// What streams and tasks share with the client. Shared, so that a stream which outlives the client
/// by mistake meets a pool without a future instead of freed memory.
struct Core {
  Core(const Executor& executor, const ClientOptions& options, std::string local_socket)
      : user_agent(options.user_agent), connector(executor, options, std::move(local_socket)) {}

  LargeBody large_body(const Url& url) const {
    return unasked.contains(url.origin()) ? LargeBody::kGoesAtOnce : LargeBody::kAsksFirst;
  }
  void ask_no_more(const Url& url) {
    constexpr std::size_t kMaxOrigins = 1024;
    if (unasked.size() >= kMaxOrigins) unasked.clear();
    unasked.insert(url.origin());
  }
  std::string user_agent;
  Connector connector;
  std::set<std::string> unasked{};  ///< Origins that do not know "Expect: 100-continue".
};

Error cancelled() {
  return {Errc::kCancelled, "the HTTP request was cancelled"};
}

/// Asio throws when a cancelled task waits once more; the contract says kCancelled.
template <class T>
Task<Result<T>> cancellation_as_error(Task<Result<T>> task) {
  try {
    co_return co_await std::move(task);
  } catch (const boost::system::system_error& e) {
    if (e.code() != boost::asio::error::operation_aborted) throw;
  }
  co_return cancelled();
}

class BodyStream final : public ResponseStream {
 public:
  BodyStream(std::shared_ptr<Core> core, Route route, ResponseParser parser, ResponseHead head)
      : core_(std::move(core)),
        route_(std::move(route)),
        parser_(std::move(parser)),
        head_(std::move(head)) {}

  void set_policy(std::chrono::milliseconds idle, bool reusable) {
    idle_ = idle;
    reusable_ = reusable;
    give_back_when_done();
  }

  const ResponseHead& head() const override { return head_; }
  ResponseHead take_head() { return std::move(head_); }  ///< The last thing that is asked for.
  std::optional<std::uint64_t> bytes_left() const { return parser_.body_bytes_left(); }

  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    return cancellation_as_error(read_some(buffer));
  }

 private:
  Task<Result<std::size_t>> read_some(std::span<char> buffer) {
    if (failure_) co_return *failure_;
    if (parser_.is_done() || buffer.empty()) co_return std::size_t{0};
    // Held here: whoever is cancelled in the middle drops the connection with this frame.
    auto connection = std::move(route_.connection);
    if (!connection) co_return cancelled();
    auto count = co_await read_body(*connection, parser_, buffer, idle_);
    if (!count) {
      failure_ = count.error();
      if (failure_->code == Errc::kTimeout) core_->connector.forget(route_.key);
      co_return count;
    }
    route_.connection = std::move(connection);
    give_back_when_done();
    co_return count;
  }

  void give_back_when_done() {
    if (!parser_.is_done() || !route_.connection) return;
    auto connection = std::move(route_.connection);
    // Bytes beyond the response are an answer to nothing: such a connection is not trusted again.
    if (reusable_ && parser_.keep_alive() && connection->buffer().size() == 0)
      core_->connector.give_back(route_.key, std::move(connection));
  }

  std::shared_ptr<Core> core_;
  Route route_;
  ResponseParser parser_;
  ResponseHead head_;
  std::chrono::milliseconds idle_{0};
  bool reusable_ = false;
  std::optional<Error> failure_;
};

bool may_repeat(const Request& request, const Connection& connection) {
  // A large body that is partly on its way is its sender's to resume: it may have arrived in part.
  constexpr std::uint64_t kSmallBody = 1024 * 1024;
  if (connection.received() > 0) return false;
  if (connection.sent() == 0) return true;
  if (connection.body_begun() && request.body.size_bytes() > kSmallBody) return false;
  if (request.replayable) return true;
  return request.method != "POST" && request.method != "PATCH";
}

/// One request, one answer: no redirects. Lifetime: `request` outlives the task.
Task<Result<std::unique_ptr<BodyStream>>> perform(
    std::shared_ptr<Core> core,
    const Request& request) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  for (bool fresh = false;; fresh = true) {
    auto route = co_await core->connector.route(request, fresh);
    if (!route) co_return std::move(route).error();
    ResponseParser parser(request.method == "HEAD");
    auto& connection = *route->connection;
    const auto large = core->large_body(request.url);
    auto sent = co_await exchange(connection, request, core->user_agent, large, parser);
    if (!sent) {
      // A connection that swallows everything is rarely alone: the next try makes a new one.
      if (route->reused && sent.error().code == Errc::kTimeout) core->connector.forget(route->key);
      const bool stale = route->reused && sent.error().code == Errc::kUnavailable;
      if (stale && may_repeat(request, connection)) continue;
      co_return std::move(sent).error();
    }
    if (sent->went_unasked) core->ask_no_more(request.url);
    if (parser.status() == 417 && large == LargeBody::kAsksFirst && !connection.body_begun()) {
      core->ask_no_more(request.url);
      continue;
    }
    ResponseHead head(request.url);
    head.status = parser.status();
    head.headers = parser.headers();
    head.peer = route->peer;
    auto stream =
        std::make_unique<BodyStream>(core, std::move(*route), std::move(parser), std::move(head));
    stream->set_policy(request.timeouts.idle, sent->complete);
    co_return stream;
  }
}

/// Reads a redirect's small body, so that its connection can be used again; a large one is cut off.
Task<Result<void>> drain(BodyStream& stream) {  // NOLINT(*-avoid-reference-coroutine-parameters)
  constexpr std::uint64_t kWorthReading = 16 * 1024;
  if (stream.bytes_left().value_or(kWorthReading + 1) > kWorthReading) co_return Result<void>();
  std::array<char, 4096> scratch;
  for (;;) {
    auto count = co_await stream.read(scratch);
    if (!count && count.error().code == Errc::kCancelled) co_return std::move(count).error();
    if (!count || *count == 0) co_return Result<void>();
  }
}

Result<void> check_request(const Request& request) {
  Headers probe;  // A method is a token, as a field name is.
  if (!probe.set(request.method, "")) return Error(Errc::kInvalid, "the HTTP method is not a word");
  return {};
}

Task<Result<std::unique_ptr<BodyStream>>> follow(std::shared_ptr<Core> core, Request request) {
  KILN_CO_TRY(check_request(request));
  for (int followed = 0;; ++followed) {
    auto stream = co_await perform(core, request);
    if (!stream) co_return stream;
    auto next = follow_redirect(request, (*stream)->head(), followed);
    if (!next) co_return std::move(next).error();
    if (!next->has_value()) co_return stream;
    KILN_CO_TRY(co_await drain(**stream));
    request = std::move(**next);
  }
}

Error too_large(const Url& url, std::uint64_t limit) {
  return {Errc::kInvalid, "the response of " + url.redacted() + " is larger than " +
                              std::to_string(limit) + " bytes"};
}

Task<Result<Response>> collect(std::shared_ptr<Core> core, Request request) {
  const auto limit = request.response_limit_bytes;
  auto stream = co_await follow(std::move(core), std::move(request));
  if (!stream) co_return std::move(stream).error();
  const auto& url = (*stream)->head().url;
  if ((*stream)->bytes_left().value_or(0) > limit) co_return too_large(url, limit);
  std::string body;
  std::vector<char> block(16 *
                          1024);  // A record of TLS. From 64 KiB on malloc tidies up each time.
  for (;;) {
    auto count = co_await (*stream)->read(block);
    if (!count) co_return std::move(count).error();
    if (*count == 0) break;
    if (body.size() + *count > limit) co_return too_large(url, limit);
    body.append(block.data(), *count);
  }
  co_return Response((*stream)->take_head(), std::move(body));
}

Task<Result<std::unique_ptr<ResponseStream>>> open_stream(std::shared_ptr<Core> core,
                                                          Request request) {
  auto stream = co_await follow(std::move(core), std::move(request));
  if (!stream) co_return std::move(stream).error();
  std::unique_ptr<ResponseStream> plain = std::move(*stream);
  co_return plain;
}

class BeastClient final : public Client {
 public:
  BeastClient(const Executor& executor, const ClientOptions& options, std::string local_socket)
      : core_(std::make_shared<Core>(executor, options, std::move(local_socket))) {}

  Task<Result<Response>> send(Request request) override {
    return cancellation_as_error(collect(core_, std::move(request)));
  }
  Task<Result<std::unique_ptr<ResponseStream>>> open(Request request) override {
    return cancellation_as_error(open_stream(core_, std::move(request)));
  }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

std::string default_user_agent() {
  return "kiln/" KILN_VERSION;
}

std::unique_ptr<Client> make_client(Executor executor, ClientOptions options) {
  return std::make_unique<BeastClient>(executor, options, "");
}

std::unique_ptr<Client> make_local_client(Executor executor, std::filesystem::path socket,
                                          ClientOptions options) {
  options.resolver_threads = 1;  // It has nothing to do.
  return std::make_unique<BeastClient>(executor, options, socket.string());
}

}  // namespace kiln::http
