#pragma once
#include "controller/obs/metrics.h"
#include "core/http/observed_client.h"

namespace kiln::obs {

/// Counts the requests to the API server; at the log level trace also writes each one.
class ApiRequestMeter final : public http::RequestObserver {
 public:
  explicit ApiRequestMeter(Metrics& metrics) : metrics_(metrics) {}
  void requested(std::string_view method, const http::Url& url, std::optional<int> status,
                 std::chrono::steady_clock::duration took) override;

 private:
  Metrics& metrics_;
};

/// The same for registries. Their names come from users and are no labels.
class RegistryRequestMeter final : public http::RequestObserver {
 public:
  explicit RegistryRequestMeter(Metrics& metrics) : metrics_(metrics) {}
  void requested(std::string_view method, const http::Url& url, std::optional<int> status,
                 std::chrono::steady_clock::duration took) override;

 private:
  Metrics& metrics_;
};

}  // namespace kiln::obs
