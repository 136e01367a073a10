#include "core/store/docker_api.h"

#include <algorithm>

#include "core/base/json.h"
#include "core/base/redact.h"

namespace kiln::store {
namespace {

bool is_version(std::string_view text) {
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.size() <= 4 &&
           part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const auto dot = text.find('.');
  return dot != text.npos && digits(text.substr(0, dot)) && digits(text.substr(dot + 1));
}

/// "message" of a body, or the body itself.
std::string words_of(std::string_view body) {
  auto document = parse_json(body);
  const auto message = document ? json_string(*document, "message") : "";
  return sanitize_server_text(message.empty() ? body : message);
}

Errc code_of(int status) {
  if (status == 404) return Errc::kNotFound;
  if (status == 401 || status == 403) return Errc::kDenied;
  return status >= 400 && status < 500 ? Errc::kInvalid : Errc::kUnavailable;
}

}  // namespace

std::string api_prefix(const http::Headers& headers) {
  const auto version = headers.get("Api-Version");
  return is_version(version) ? "/v" + std::string(version) : "";
}

http::Url docker_url(const std::string& path) {
  return http::Url::parse("http://docker/")->with_path(path);
}

Error api_error(const http::Response& response) {
  const auto words = words_of(response.body);
  return {code_of(response.status()), "the Docker daemon answers " +
                                          std::to_string(response.status()) +
                                          (words.empty() ? "" : ": " + words)};
}

std::optional<Error> load_error(std::string_view body) {
  while (!body.empty()) {
    const auto end = std::min(body.find('\n'), body.size());
    auto line = parse_json(body.substr(0, end));
    body.remove_prefix(std::min(end + 1, body.size()));
    if (!line || !line->is_object()) continue;
    auto words = json_string(json_at(*line, "errorDetail"), "message");
    if (words.empty()) words = json_string(*line, "error");
    if (words.empty() && !line->contains("errorDetail") && !line->contains("error")) continue;
    const bool full = words.find("no space left on device") != words.npos;
    return Error(full ? Errc::kNoSpace : Errc::kInvalid,
                 "the Docker daemon does not take the image: " + sanitize_server_text(words));
  }
  return std::nullopt;
}

}  // namespace kiln::store
