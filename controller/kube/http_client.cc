#include "controller/kube/http_client.h"

#include <array>
#include <utility>

#include "controller/kube/list_page.h"
#include "controller/kube/request.h"
#include "controller/kube/status_error.h"
#include "controller/kube/watch_line.h"
#include "core/base/deadline.h"

namespace kiln::kube {
namespace {

constexpr std::uint64_t kObjectLimitBytes = 16 * 1024 * 1024;
constexpr std::uint64_t kListLimitBytes = 512 * 1024 * 1024;
constexpr std::size_t kStatusLimitBytes = 64 * 1024;

std::string doing(std::string_view verb, const ResourceType& type, const ObjectKey& key) {
  return std::string(verb) + " " + type.str() + " " + key.str();
}

/// Reads a short body to its end, or as far as the limit.
Task<Result<std::string>> read_status_body(std::unique_ptr<http::ResponseStream> stream) {
  std::string body;
  std::array<char, 4096> buffer{};
  while (body.size() < kStatusLimitBytes) {
    const auto count = co_await stream->read(buffer);
    if (!count) co_return count.error();
    if (*count == 0) break;
    body.append(buffer.data(), *count);
  }
  co_return body;
}

Result<Object> object_of(Result<Object> read, const std::string& what) {
  if (!read)
    return Error(Errc::kCorrupt, what + ": the answer is no object: " + read.error().message);
  return read;
}

class HttpWatchStream final : public WatchStream {
 public:
  HttpWatchStream(std::unique_ptr<http::ResponseStream> stream, ResourceType type,
                  std::function<bool(const ObjectState&)> is_known)
      : stream_(std::move(stream)), type_(type), is_known_(std::move(is_known)) {}

  Task<Result<std::optional<WatchEvent>>> next() override {
    for (;;) {
      auto line = lines_.next();
      if (!line) co_return std::move(line).error();
      if (*line) co_return std::optional<WatchEvent>(parse_watch_line(**line, type_, is_known_));
      const auto count = co_await stream_->read(buffer_);
      if (!count) co_return count.error();
      if (*count == 0) co_return std::optional<WatchEvent>();
      lines_.feed(std::string_view(buffer_.data(), *count));
    }
  }

 private:
  std::unique_ptr<http::ResponseStream> stream_;
  ResourceType type_;
  std::function<bool(const ObjectState&)> is_known_;
  LineSplitter lines_;
  std::array<char, 16 * 1024> buffer_{};
};

class HttpClient final : public Client {
 public:
  HttpClient(http::Client& http, Config config, const Clock& clock, HttpClientOptions options)
      : http_(http),
        clock_(clock),
        options_(std::move(options)),
        build_(config.server),
        credentials_(std::move(config), clock) {}

  Task<Result<Object>> get(ResourceType type, ObjectKey key) override {
    co_return co_await object_call(build_.get(type, key, false), true, doing("reading", type, key));
  }
  Task<Result<Object>> get_remembered(ResourceType type, ObjectKey key,
                                      std::string resource_version) override {
    co_return co_await object_call(build_.get_remembered(type, key, resource_version), true,
                                   doing("reading", type, key));
  }
  Task<Result<Object>> get_metadata(ResourceType type, ObjectKey key) override {
    co_return co_await object_call(build_.get(type, key, true), true, doing("reading", type, key));
  }
  Task<Result<Object>> create(ResourceType type, std::string namespace_,
                              std::string json) override {
    const ObjectKey where("", namespace_);
    co_return co_await object_call(build_.create(type, namespace_, std::move(json)), false,
                                   doing("creating", type, where));
  }
  Task<Result<Object>> merge_patch(ResourceType type, ObjectKey key, std::string patch,
                                   Precondition precondition) override {
    auto request = build_.merge_patch(type, key, patch, precondition);
    if (!request) co_return std::move(request).error();
    co_return co_await object_call(std::move(*request), true, doing("patching", type, key));
  }
  Task<Result<Object>> update_status(ResourceType type, ObjectKey key, std::string status,
                                     Precondition precondition) override {
    auto request = build_.update_status(type, key, status, precondition);
    if (!request) co_return std::move(request).error();
    const auto what = doing("updating the status of", type, key);
    auto response = co_await call(std::move(*request), true, what);
    if (!response) co_return std::move(response).error();
    co_return object_of(Object::parse_for_keeping(response->body), what);
  }
  Task<Result<Object>> apply(ResourceType type, ObjectKey key, std::string json,
                             std::string manager, Precondition precondition) override {
    auto request = build_.apply(type, key, json, manager, precondition);
    if (!request) co_return std::move(request).error();
    co_return co_await object_call(std::move(*request), true, doing("applying to", type, key));
  }
  Task<Result<Object>> update(ResourceType type, ObjectKey key, std::string json) override {
    co_return co_await object_call(build_.update(type, key, std::move(json)), true,
                                   doing("updating", type, key));
  }
  Task<Result<void>> remove(ResourceType type, ObjectKey key, Precondition precondition) override {
    const auto what = doing("deleting", type, key);
    auto answer = co_await call(build_.remove(type, key, precondition), true, what);
    if (!answer) co_return std::move(answer).error();
    co_return Result<void>();
  }

  Task<Result<ObjectList>> list(ResourceType type, ListOptions options) override;
  Task<Result<std::unique_ptr<WatchStream>>> watch(ResourceType type,
                                                   WatchOptions options) override;

 private:
  Result<void> authorize(http::Request& request);
  void doubt(const Error& error) {
    if (error.code == Errc::kUnavailable) credentials_.doubt_server();
  }
  Task<Result<http::Response>> send_once(http::Request request);
  Task<Result<http::Response>> send_repeatedly(http::Request request, bool repeatable);
  Task<Result<http::Response>> call(http::Request request, bool repeatable, std::string what);
  Task<Result<Object>> object_call(http::Request request, bool repeatable, std::string what);
  Task<Result<std::unique_ptr<http::ResponseStream>>> open_stream(http::Request request);

  http::Client& http_;
  const Clock& clock_;
  HttpClientOptions options_;
  RequestBuilder build_;
  Credentials credentials_;
};

Result<void> HttpClient::authorize(http::Request& request) {
  const auto token = credentials_.token();
  if (!token) return token.error();
  if (!token->empty() && !request.headers.set("Authorization", "Bearer " + *token))
    return Error(Errc::kUnauthorized, "the token has characters that no token may have");
  request.headers.set("User-Agent", options_.user_agent);
  if (request.url.is_https()) request.tls = credentials_.tls();
  return {};
}

/// One answer, errors of the server as Error; after a 401 a second one with a fresh token.
Task<Result<http::Response>> HttpClient::send_once(http::Request request) {
  for (int attempt = 1;; ++attempt) {
    KILN_CO_TRY(authorize(request));
    auto response = co_await http_.send(request);
    if (!response) doubt(response.error());
    if (!response) co_return response;
    if (response->status() >= 200 && response->status() < 300) co_return response;
    if (response->status() == 401) credentials_.reset();
    if (response->status() != 401 || attempt == 2) co_return status_error(*response, clock_.now());
  }
}

Task<Result<http::Response>> HttpClient::send_repeatedly(http::Request request, bool repeatable) {
  http::RetrySchedule schedule(options_.retry);
  for (;;) {
    auto response = co_await send_once(request);
    if (!response.has_error()) co_return response;
    // A 429 was turned away before anything happened; of other failures nobody knows.
    const auto error = response.error();
    if (!repeatable && error.code != Errc::kRateLimited) co_return response;
    const auto wait = schedule.after(error);
    if (!wait) co_return response;
    KILN_CO_TRY(co_await options_.retry.sleep(*wait));
  }
}

Task<Result<http::Response>> HttpClient::call(http::Request request, bool repeatable,
                                              std::string what) {
  request.response_limit_bytes = kObjectLimitBytes;
  request.replayable = repeatable;
  // One connection that swallows everything leaves time for another one.
  request.timeouts.response = options_.deadline / options_.retry.tries;
  auto response = co_await with_deadline(send_repeatedly(std::move(request), repeatable),
                                         options_.deadline, "the API server");
  if (!response) co_return std::move(response).error().while_doing(what);
  co_return response;
}

Task<Result<Object>> HttpClient::object_call(http::Request request, bool repeatable,
                                             std::string what) {
  auto response = co_await call(std::move(request), repeatable, what);
  if (!response) co_return std::move(response).error();
  co_return object_of(Object::parse(response->body), what);
}

// Lists and watches are not repeated here: the watcher decides whether and when.
Task<Result<ObjectList>> HttpClient::list(ResourceType type, ListOptions options) {
  const auto what = "listing " + type.str();
  auto request = build_.list(type, options);
  request.response_limit_bytes = kListLimitBytes;
  request.timeouts.response = options_.list_deadline;
  auto response = co_await with_deadline(send_once(std::move(request)), options_.list_deadline,
                                         "the API server");
  if (!response) co_return std::move(response).error().while_doing(what);
  auto list = parse_list(response->body, type);
  if (!list) co_return std::move(list).error().while_doing(what);
  co_return list;
}

Task<Result<std::unique_ptr<http::ResponseStream>>> HttpClient::open_stream(http::Request request) {
  for (int attempt = 1;; ++attempt) {
    KILN_CO_TRY(authorize(request));
    auto stream = co_await http_.open(request);
    if (!stream) doubt(stream.error());
    if (!stream) co_return stream;
    const auto head = (*stream)->head();
    if (head.status == 200) co_return stream;
    auto body = co_await read_status_body(std::move(*stream));
    if (head.status == 401) credentials_.reset();
    if (head.status == 401 && attempt == 1) continue;
    http::Response response(head, body ? std::move(*body) : std::string());
    co_return status_error(response, clock_.now());
  }
}

Task<Result<std::unique_ptr<WatchStream>>> HttpClient::watch(ResourceType type,
                                                             WatchOptions options) {
  auto request = build_.watch(type, options);
  request.timeouts.response = options_.deadline / options_.retry.tries;
  // An idle watch is silent; but not for longer than the server said it would last.
  request.timeouts.idle = options.timeout + options_.watch_margin;
  auto stream =
      co_await with_deadline(open_stream(std::move(request)), options_.deadline, "the API server");
  if (!stream) co_return std::move(stream).error().while_doing("watching " + type.str());
  std::unique_ptr<WatchStream> watch =
      std::make_unique<HttpWatchStream>(std::move(*stream), type, std::move(options.is_known));
  co_return watch;
}

}  // namespace

std::unique_ptr<Client> make_http_client(http::Client& http, Config config, const Clock& clock,
                                         HttpClientOptions options) {
  return std::make_unique<HttpClient>(http, std::move(config), clock, std::move(options));
}

}  // namespace kiln::kube
