#pragma once
#include <cstdint>

namespace kiln::registry::protocol {

/// How the bytes of uploads to one registry travel: whole, in the closing PUT, which is what works
/// almost everywhere; or in chunks, by PATCH. Begins as it is told and learns from refusals, so one
/// plan serves all uploads to a registry. No I/O. Source: distribution-spec v1.1, "Pushing blobs".
class UploadPlan {
 public:
  /// `chunk_bytes` 0 = whole.
  explicit UploadPlan(std::uint64_t chunk_bytes = 0) : chunk_bytes_(chunk_bytes) {}

  /// How many bytes the next PATCH carries when the registry holds `held` of `total`; 0 = none, the
  /// rest, if any, goes with the closing PUT. `smallest`: UploadSession::chunk_min_bytes().
  std::uint64_t next_chunk(std::uint64_t total, std::uint64_t held, std::uint64_t smallest) const;

  /// A body of this size was too large for the registry or for a proxy before it (413, or 416 for a
  /// chunk where nothing is wrong with its place). False: nothing smaller is left to be tried.
  bool too_large(std::uint64_t refused_bytes, std::uint64_t smallest);
  /// A PUT with a body is not known here (405, 501, UNSUPPORTED). False: the other way was refused
  /// before.
  bool no_whole();
  /// PATCH is not known here. False: the other way was refused before.
  bool no_chunks();

 private:
  std::uint64_t chunk_bytes_;  // 0 = whole.
  bool whole_refused_ = false;
  bool always_chunks_ = false;
};

}  // namespace kiln::registry::protocol
