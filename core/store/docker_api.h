#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/http/message.h"

namespace kiln::store {

/// What the Docker Engine API says, without any I/O.

/// "/v1.41" from the answer to /_ping; "" where the daemon tells no version: then paths have none.
std::string api_prefix(const http::Headers& headers);

/// A path of the daemon's as a URL; the host is nobody's.
http::Url docker_url(const std::string& path);

/// The error of an answer that is not 200: kNotFound for 404, kDenied for 401 and 403, kInvalid for
/// other 4xx, else kUnavailable; with what the daemon says.
Error api_error(const http::Response& response);

/// The error in the answer to a load: JSON objects one after the other, and though its status is
/// 200 one of them may be an error. kNoSpace where the daemon says so, else kInvalid. Unset = it
/// went well.
std::optional<Error> load_error(std::string_view body);

}  // namespace kiln::store
