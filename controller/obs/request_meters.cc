#include "controller/obs/request_meters.h"

#include <string>

#include "core/base/log.h"
#include "core/base/time_text.h"

namespace kiln::obs {
namespace {

void trace(std::string_view message, std::string_view method, const http::Url& url,
           std::optional<int> status, std::chrono::steady_clock::duration took) {
  if (!log::enabled(log::Level::kTrace)) return;
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  log::trace(message, {{"method", std::string(method)},
                       {"url", url.redacted()},
                       {"status", status ? std::to_string(*status) : "none"},
                       {"took", format_duration(passed)}});
}

/// "2xx" for 204; whatever a server may send, there are six values.
std::string class_of(std::optional<int> status) {
  if (!status) return "none";
  if (*status < 100 || *status > 599) return "other";
  return std::to_string(*status / 100) + "xx";
}

/// Registries are asked with few methods, but a token server may one day want another.
std::string_view known_method(std::string_view method) {
  for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
    if (method == known) return known;
  return "other";
}

}  // namespace

void ApiRequestMeter::requested(std::string_view method, const http::Url& url,
                                std::optional<int> status,
                                std::chrono::steady_clock::duration took) {
  // client-go's word for no answer, so that alerts written for it work.
  const auto code = status ? std::to_string(*status) : "<error>";
  metrics_.api_requests.add({code, known_method(method), url.host_port()});
  trace("request to the API server", method, url, status, took);
}

void RegistryRequestMeter::requested(std::string_view method, const http::Url& url,
                                     std::optional<int> status,
                                     std::chrono::steady_clock::duration took) {
  metrics_.registry_requests.add({known_method(method), class_of(status)});
  trace("request to a registry", method, url, status, took);
}

}  // namespace kiln::obs
