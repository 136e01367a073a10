#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/message.h"
#include "core/oci/digest.h"

namespace kiln::registry::protocol {

/// One upload of a blob, from the answer to POST on. Knows where to go next, never goes there.
///
///   POST → begin() → PUT finish() → 201
///                  ↘ PATCH chunk(), as often as needed → PUT finish() without a body
///                  ↘ cut: GET status() → held_bytes() → PUT finish_from(), or PATCH chunk()
///                  ↘ given up: DELETE cancel()
///
/// Every answer may name a new place: hand each one that has a Location to moved_by(). Cookies that
/// the registry sets go back to it, so that a balancer leads to the replica that knows the session.
/// Source: distribution-spec v1.1, "Pushing blobs".
class UploadSession {
 public:
  /// `answer` is the 202 to POST. Errors: kInvalid (no Location, or not a URL), kEgressDenied (a
  /// Location in plain http while the registry is spoken to in https; the registry's own host is
  /// asked in https instead).
  [[nodiscard]] static Result<UploadSession> begin(const http::ResponseHead& answer);

  /// Takes the newer Location of `answer`, if it has one. Errors as begin().
  [[nodiscard]] Result<void> moved_by(const http::ResponseHead& answer);

  /// True if the place is the registry's own, so that Authorization may go there.
  bool at_registry() const { return location_.origin() == registry_.origin(); }
  const http::Url& location() const { return location_; }
  /// What the registry wants the smallest chunk to be; at most 1 GiB is believed, 0 = it did not
  /// say.
  std::uint64_t chunk_min_bytes() const { return chunk_min_bytes_; }

  /// All bytes in one PUT.
  http::Request finish(const oci::Digest& digest, http::Body body) const;
  /// The bytes from `offset` on; `rest` holds exactly these. Precondition: offset < total_bytes.
  http::Request finish_from(const oci::Digest& digest, http::Body rest, std::uint64_t offset,
                            std::uint64_t total_bytes) const;
  /// A part of the bytes, from `offset` on, by PATCH. Precondition: `bytes` is not empty.
  http::Request chunk(http::Body bytes, std::uint64_t offset) const;
  http::Request status() const;  ///< GET: how many bytes have arrived?
  http::Request cancel() const;  ///< DELETE.

  /// How many bytes the answer to status() says have arrived ("Range: 0-99" → 100); nullopt when it
  /// does not say. "0-0" is taken as nothing: that is how registries say it.
  static std::optional<std::uint64_t> held_bytes(const http::ResponseHead& answer);

 private:
  UploadSession(http::Url registry, http::Url location)
      : registry_(std::move(registry)), location_(std::move(location)) {}
  http::Request request(std::string method, http::Url url) const;
  void take_cookies(const http::ResponseHead& answer);

  http::Url registry_;  // Where POST was answered.
  http::Url location_;
  std::optional<http::AddressKind> named_by_{};
  std::uint64_t chunk_min_bytes_ = 0;
  std::map<std::string, std::string> cookies_{};
};

}  // namespace kiln::registry::protocol
