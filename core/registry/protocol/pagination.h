#pragma once
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/http/message.h"

namespace kiln::registry::protocol {

/// Path and query of the page after `answer`; nullopt for the last one. Errors: kEgressDenied for a
/// page on another server than the one that answered (attack A6), kInvalid for what is no URL.
/// Source: RFC 8288 (Link, rel="next"); distribution-spec v1.1, "Listing Referrers".
[[nodiscard]] Result<std::optional<std::string>> next_page(const http::ResponseHead& answer);

}  // namespace kiln::registry::protocol
