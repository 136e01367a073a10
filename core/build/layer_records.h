#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/layer/layer.h"
#include "core/oci/manifest.h"

namespace kiln::build {

/// What is known of a layer that was made once.
struct LayerRecord {
  oci::Descriptor descriptor;
  oci::Digest diff_id;
  std::uint64_t uncompressed_bytes = 0;

  LayerRecord(oci::Descriptor d, oci::Digest id, std::uint64_t bytes)
      : descriptor(std::move(d)), diff_id(std::move(id)), uncompressed_bytes(bytes) {}
  explicit LayerRecord(const layer::Layer& layer)
      : LayerRecord(layer.blob.descriptor(), layer.diff_id, layer.uncompressed_bytes) {}
  friend bool operator==(const LayerRecord&, const LayerRecord&) = default;
};

/// Which layers were made of what, in a folder of the cache: so that a layer that is where it goes
/// to is not made again to learn its digest.
///
/// The name of a record is a digest of all that decides the layer; in it is a checksum over that
/// name too. What is damaged, of another version of Kiln, or may be written by another user is as
/// if it had never been there, and so is what cannot be kept. Some 8,000 records at most: those
/// that nobody has asked for longest go first.
/// Threads: any; several processes may share the folder. Blocking, but small.
class LayerRecords {
 public:
  /// `folder` "" = nothing is kept.
  explicit LayerRecords(std::filesystem::path folder) : folder_(std::move(folder)) {}

  bool keeps_any() const { return !folder_.empty(); }
  /// `key`: all that makes layers equal, in any form.
  std::optional<LayerRecord> find(const std::string& key) const;
  void keep(const std::string& key, const LayerRecord& record) const;

  /// One record was wrong, so none is believed any more: all go.
  void forget_all();
  /// Has that happened?
  bool were_wrong() const { return wrong_; }

 private:
  std::filesystem::path path_of(const std::string& key) const;

  std::filesystem::path folder_;
  std::atomic<bool> wrong_{false};
};

}  // namespace kiln::build
