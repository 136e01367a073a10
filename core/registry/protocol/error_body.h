#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/http/message.h"
#include "core/oci/digest.h"

namespace kiln::registry::protocol {

/// What a registry (or a proxy before it) says about a failure, made fit for people.
struct ErrorBody {
  std::vector<std::string> codes{};    ///< "MANIFEST_BLOB_UNKNOWN"; empty when it is not JSON.
  std::string words{};                 ///< One line, sanitised and capped; "" when it says nothing.
  std::vector<oci::Digest> digests{};  ///< Those that `detail` names: the blobs that are missing.

  bool has(std::string_view code) const;
};

/// Reads at most 64 KiB of a body: the distribution-spec's JSON, the forms of token servers, HTML,
/// text. Source: distribution-spec v1.1, "Error Codes".
ErrorBody parse_error_body(std::string_view body);

/// The error for an answer that is not a success. `subject` is the registry or repository it is
/// about, e.g. "ghcr.io/team/shop"; `now` is for a Retry-After that is a date. A missing blob
/// (MANIFEST_BLOB_UNKNOWN) is kConflict: the registry lost it since it was looked at.
Error error_from(const http::Response& answer, std::string_view subject,
                 std::chrono::sys_seconds now);

/// True for what a full disk makes a registry say.
bool says_disk_full(std::string_view words);

}  // namespace kiln::registry::protocol
