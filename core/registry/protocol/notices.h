#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/http/message.h"

namespace kiln::registry::protocol {

/// How many pulls are left, as Docker Hub tells it with every answer about a manifest.
struct RateLimit {
  std::uint64_t limit = 0;
  std::uint64_t remaining = 0;
  std::chrono::seconds window{0};  ///< In which `limit` pulls are allowed; 0 = not said.
};

/// "RateLimit-Limit: 100;w=21600" and "RateLimit-Remaining: 76;w=21600"; nullopt unless both are
/// there and numbers.
std::optional<RateLimit> parse_rate_limit(const http::Headers& headers);

/// What a registry wants its users to know ("Warning: 299 - \"…\""), made fit for people; at most 4
/// KiB of it. Source: distribution-spec v1.1, "Warnings"; RFC 7234, 5.5.
std::vector<std::string> parse_warnings(const http::Headers& headers);

}  // namespace kiln::registry::protocol
