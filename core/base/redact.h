#pragma once
#include <string>
#include <string_view>

namespace kiln {

/// A URL for logs, events and errors: user information and query are cut out, control characters
/// too.
std::string redact_url(std::string_view url);

/// A name from outside in quotes, for an error: its first `limit_bytes`, and then "…"; control
/// characters and bytes that are not UTF-8 are shown as "?".
std::string quoted_name(std::string_view name, std::size_t limit_bytes = 120);

/// Text that came from a server, made fit for a log or a status: at most `limit_bytes` and then
/// "…", one line, control characters and broken UTF-8 replaced, and anything that looks like a
/// bearer token, a basic credential or a signed query value masked.
std::string sanitize_server_text(std::string_view text, std::size_t limit_bytes = 512);

}  // namespace kiln
