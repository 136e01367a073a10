#include "core/http/observed_client.h"

#include <utility>

namespace kiln::http {

using SteadyClock = std::chrono::steady_clock;

void ObservedClient::tell(std::string_view method, const Url& url, const Result<int>& status,
                          SteadyClock::time_point began) {
  if (status.has_error() && status.error().code == Errc::kCancelled) return;
  const auto code = status ? std::optional<int>(*status) : std::nullopt;
  observer_.requested(method, url, code, SteadyClock::now() - began);
}

Task<Result<Response>> ObservedClient::send(Request request) {
  const auto method = request.method;
  const auto url = request.url;
  const auto began = SteadyClock::now();
  auto response = co_await inner_.send(std::move(request));
  const auto status = response ? Result<int>(response->status()) : Result<int>(response.error());
  tell(method, url, status, began);
  co_return response;
}

Task<Result<std::unique_ptr<ResponseStream>>> ObservedClient::open(Request request) {
  const auto method = request.method;
  const auto url = request.url;
  const auto began = SteadyClock::now();
  auto stream = co_await inner_.open(std::move(request));
  const auto status = stream ? Result<int>((*stream)->head().status) : Result<int>(stream.error());
  tell(method, url, status, began);
  co_return stream;
}

}  // namespace kiln::http
