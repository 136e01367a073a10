#pragma once
#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/io.h"
#include "core/base/task.h"
#include "core/http/client.h"

namespace kiln::fakes {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// How a scripted stream goes on after its last chunk.
enum class StreamEnd {
  kComplete,   ///< read() answers 0.
  kCut,        ///< read() answers kUnavailable.
  kStaysOpen,  ///< read() waits until it is cancelled, as an idle watch does.
};

/// One answer of the script.
struct ScriptedAnswer {
  int status = 200;
  http::Headers headers{};
  std::vector<std::string> chunks{};  ///< What each read() gives, in order; send() joins them.
  StreamEnd end = StreamEnd::kComplete;
  http::AddressKind peer = http::AddressKind::kPublic;

  ScriptedAnswer() = default;
  explicit ScriptedAnswer(int s, std::string body = {}, const HeaderList& fields = {}) : status(s) {
    if (!body.empty()) chunks.push_back(std::move(body));
    for (const auto& [name, value] : fields) headers.add(name, value);
  }
};

/// The body of a recorded request, read from its start.
inline std::string body_text(const http::Request& request) {
  auto source = request.body.open();
  if (!source) return "(body cannot be opened: " + source.error().message + ")";
  auto text = read_all(**source, std::numeric_limits<std::uint32_t>::max());
  return text ? *text : "(body cannot be read: " + text.error().message + ")";
}

/// Hands out the chunks of an answer, one (or a part of one) per read.
class ScriptedStream final : public http::ResponseStream {
 public:
  ScriptedStream(http::ResponseHead head, ScriptedAnswer answer)
      : head_(std::move(head)),
        chunks_(answer.chunks.begin(), answer.chunks.end()),
        end_(answer.end) {}

  const http::ResponseHead& head() const override { return head_; }

  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    while (!chunks_.empty() && chunks_.front().empty()) chunks_.pop_front();
    if (chunks_.empty()) {
      if (end_ == StreamEnd::kComplete) co_return std::size_t{0};
      if (end_ == StreamEnd::kCut) co_return Error(Errc::kUnavailable, "connection was cut");
      boost::asio::steady_timer forever(co_await boost::asio::this_coro::executor,
                                        boost::asio::steady_timer::time_point::max());
      boost::system::error_code error;
      co_await forever.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
      co_return Error(Errc::kCancelled, "cancelled");
    }
    auto& chunk = chunks_.front();
    const auto count = std::min(buffer.size(), chunk.size());
    std::copy_n(chunk.data(), count, buffer.data());
    chunk.erase(0, count);
    co_return count;
  }

 private:
  http::ResponseHead head_;
  std::deque<std::string> chunks_;
  StreamEnd end_;
};

/// Answers in order and remembers what it was asked; send() and open() take from the same script.
///
///   http.answer(401, "", {{"WWW-Authenticate", "Bearer realm=…"}});
///   http.fail(Error(Errc::kUnavailable, "connection was cut"));
///   http.answer_stream(200, {"{…}\n", "{…}\n"}, StreamEnd::kCut);
///   http.answer_with([](const http::Request& asked) { … return ScriptedAnswer(201); });
///
/// Does not imitate: redirects, deadlines, the egress policy, connections. response_limit_bytes of
/// send() and the missing body of an answer to HEAD are imitated. A script that ran out answers
/// kInternal, which nothing retries by itself.
class ScriptedClient final : public http::Client {
 public:
  using Answer = std::function<Result<ScriptedAnswer>(const http::Request&)>;

  void answer(int status, std::string body = {}, const HeaderList& headers = {}) {
    push(ScriptedAnswer(status, std::move(body), headers));
  }
  void answer(ScriptedAnswer next) { push(std::move(next)); }
  void answer(http::Response next) {
    ScriptedAnswer scripted(next.status(), std::move(next.body), {});
    scripted.headers = next.headers();
    scripted.peer = next.head.peer;
    push(std::move(scripted));
  }
  void answer_stream(int status, std::vector<std::string> chunks,
                     StreamEnd end = StreamEnd::kComplete, const HeaderList& headers = {}) {
    ScriptedAnswer scripted(status, "", headers);
    scripted.chunks = std::move(chunks);
    scripted.end = end;
    push(std::move(scripted));
  }
  void fail(Error error) {
    script_.push_back([error = std::move(error)](const http::Request&) -> Result<ScriptedAnswer> {
      return error;
    });
  }
  void answer_with(Answer next) { script_.push_back(std::move(next)); }
  /// Answers everything the script has nothing (more) for.
  void otherwise(Answer fallback) { fallback_ = std::move(fallback); }

  const std::vector<http::Request>& seen() const { return seen_; }
  /// "GET https://host/path?query" of each request seen, in order.
  std::vector<std::string> seen_lines() const {
    std::vector<std::string> lines;
    for (const auto& request : seen_) lines.push_back(request.method + " " + request.url.str());
    return lines;
  }
  std::size_t remaining() const { return script_.size(); }

  Task<Result<http::Response>> send(http::Request request) override {
    auto answer = next(request);
    if (!answer) co_return answer.error();
    auto head = head_of(request, *answer);
    if (answer->end == StreamEnd::kCut) co_return Error(Errc::kUnavailable, "connection was cut");
    std::string body;
    for (const auto& chunk : answer->chunks) body += chunk;
    if (request.method == "HEAD") body.clear();
    if (body.size() > request.response_limit_bytes)
      co_return Error(Errc::kInvalid, "the response is larger than " +
                                          std::to_string(request.response_limit_bytes) + " bytes");
    co_return http::Response(std::move(head), std::move(body));
  }

  Task<Result<std::unique_ptr<http::ResponseStream>>> open(http::Request request) override {
    auto answer = next(request);
    if (!answer) co_return answer.error();
    if (request.method == "HEAD") answer->chunks.clear();
    auto head = head_of(request, *answer);
    std::unique_ptr<http::ResponseStream> stream =
        std::make_unique<ScriptedStream>(std::move(head), std::move(*answer));
    co_return stream;
  }

 private:
  void push(ScriptedAnswer next) {
    script_.push_back(
        [next = std::move(next)](const http::Request&) -> Result<ScriptedAnswer> { return next; });
  }

  Result<ScriptedAnswer> next(const http::Request& request) {
    seen_.push_back(request);
    if (!script_.empty()) {
      const auto step = std::move(script_.front());
      script_.pop_front();
      return step(request);
    }
    if (fallback_) return fallback_(request);
    return Error(Errc::kInternal,
                 "the script has no answer for " + request.method + " " + request.url.str());
  }

  static http::ResponseHead head_of(const http::Request& request, const ScriptedAnswer& answer) {
    http::ResponseHead head(request.url);
    head.status = answer.status;
    head.headers = answer.headers;
    head.peer = answer.peer;
    return head;
  }

  std::deque<Answer> script_;
  Answer fallback_;
  std::vector<http::Request> seen_;
};

}  // namespace kiln::fakes
