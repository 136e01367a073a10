#pragma once
#include <chrono>
#include <memory>

#include "controller/kube/client.h"
#include "controller/kube/config.h"
#include "core/base/clock.h"
#include "core/http/client.h"
#include "core/http/retry.h"

namespace kiln::kube {

struct HttpClientOptions {
  std::chrono::milliseconds deadline{30'000};        ///< For one call, retries included.
  std::chrono::milliseconds list_deadline{120'000};  ///< For one page.
  std::chrono::seconds watch_margin{5};  ///< What a watch may take beyond its own timeout.
  http::RetryPolicy retry{};
  std::string user_agent = "kiln/" KILN_VERSION;
  HttpClientOptions() = default;
};

/// Client over HTTP. Adds token and certificates (see Credentials); a 401 makes it read them again
/// and try once more. Calls that may be repeated are, on 429 and 5xx, honouring short hints.
///
/// The HTTP client's egress policy must allow the API server, and its proxies be those of the
/// Config: give it a client of its own. Lifetime: `http` and `clock` outlive the client.
[[nodiscard]] std::unique_ptr<Client> make_http_client(http::Client& http, Config config,
                                                       const Clock& clock,
                                                       HttpClientOptions options);

}  // namespace kiln::kube
