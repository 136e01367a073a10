#pragma once
#include <chrono>

#include "controller/obs/health.h"
#include "controller/obs/log_switch.h"
#include "controller/obs/metrics.h"
#include "core/base/clock.h"
#include "core/http/server.h"

namespace kiln::obs {

/// How long the program's event loop has to answer. Longer than any probe waits, short enough to
/// tell a person that it hangs.
inline constexpr std::chrono::milliseconds kLoopLimit{5'000};

/// /metrics, read on the program's event loop.
/// Threads: the server's. Lifetime: as ask(): metrics and the loop's context are there as long as
/// requests come.
class MetricsPages final : public http::RequestHandler {
 public:
  MetricsPages(Executor loop, Metrics& metrics) : loop_(std::move(loop)), metrics_(metrics) {}
  Task<http::ServerResponse> handle(http::ServerRequest request) override;

 private:
  Executor loop_;
  Metrics& metrics_;
};

/// /healthz and /readyz, with ?verbose, and each check as /readyz/NAME; 200 or 503. An event loop
/// that does not turn is told here, too: it is the one that has to answer.
/// /loglevel: GET says it; PUT with a level as its body sets it, from a loopback address only.
class HealthPages final : public http::RequestHandler {
 public:
  HealthPages(Executor loop, const Health& health, LogSwitch& log_switch,
              std::chrono::milliseconds loop_limit = kLoopLimit)
      : loop_(std::move(loop)), health_(health), log_switch_(log_switch), loop_limit_(loop_limit) {}
  Task<http::ServerResponse> handle(http::ServerRequest request) override;

 private:
  Task<http::ServerResponse> report(const Checks* checks, bool verbose, std::string only);
  http::ServerResponse log_level(const http::ServerRequest& request);

  Executor loop_;
  const Health& health_;
  LogSwitch& log_switch_;
  std::chrono::milliseconds loop_limit_;
};

}  // namespace kiln::obs
