#pragma once
#include <chrono>
#include <optional>
#include <string_view>

#include "core/http/client.h"

namespace kiln::http {

/// Hears of each request that was sent; for metrics. Must not throw, must not wait.
class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  /// `status` is nullopt where no answer came. A request whose body is streamed counts as soon as
  /// its header is there.
  virtual void requested(std::string_view method, const Url& url, std::optional<int> status,
                         std::chrono::steady_clock::duration took) = 0;
};

/// Another client, with somebody listening. Contract, threads and cancellation are that client's; a
/// cancelled request is not told. Lifetime: `inner` and `observer` outlive it.
class ObservedClient final : public Client {
 public:
  ObservedClient(Client& inner, RequestObserver& observer) : inner_(inner), observer_(observer) {}

  Task<Result<Response>> send(Request request) override;
  Task<Result<std::unique_ptr<ResponseStream>>> open(Request request) override;

 private:
  void tell(std::string_view method, const Url& url, const Result<int>& status,
            std::chrono::steady_clock::time_point began);

  Client& inner_;
  RequestObserver& observer_;
};

}  // namespace kiln::http
