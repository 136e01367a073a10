#include "core/build/layer_records.h"

#include <system_error>
#include <utility>

#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/oldest_files.h"
#include "core/base/own_file.h"
#include "core/base/sha256.h"

namespace kiln::build {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRecordBytes = 4096;
constexpr std::size_t kMaxInFolder = 32;  // Of 256 folders.

/// The version is part of it: what makes layers may have changed with it.
std::string name_of(const std::string& key) {
  return sha256_hex("kiln layer record 1\n" KILN_VERSION "\n" + key);
}

std::string checksum(const std::string& name, std::string_view text) {
  return sha256_hex(name + "\n" + std::string(text));
}

std::string text_of(const LayerRecord& record) {
  return dump_json({{"mediaType", record.descriptor.media_type},
                    {"digest", record.descriptor.digest.str()},
                    {"size", record.descriptor.size_bytes},
                    {"diffID", record.diff_id.str()},
                    {"uncompressed", record.uncompressed_bytes}});
}

std::optional<LayerRecord> parse(std::string_view text) {
  const auto json = parse_json(std::string(text));
  if (!json || !json->is_object()) return std::nullopt;
  auto digest = oci::Digest::parse(json_string(*json, "digest"));
  auto diff_id = oci::Digest::parse(json_string(*json, "diffID"));
  const auto& size = json_at(*json, "size");
  const auto& uncompressed = json_at(*json, "uncompressed");
  if (!digest || !diff_id || !size.is_number_unsigned() || !uncompressed.is_number_unsigned())
    return std::nullopt;
  oci::Descriptor descriptor(json_string(*json, "mediaType"), std::move(*digest),
                             size.get<std::uint64_t>());
  return LayerRecord(std::move(descriptor), std::move(*diff_id), uncompressed.get<std::uint64_t>());
}

}  // namespace

fs::path LayerRecords::path_of(const std::string& key) const {
  const auto name = name_of(key);
  return folder_ / name.substr(0, 2) / name;
}

std::optional<LayerRecord> LayerRecords::find(const std::string& key) const {
  if (!keeps_any() || wrong_) return std::nullopt;
  const auto path = path_of(key);
  const auto bytes = read_own_file(path, kMaxRecordBytes);
  if (!bytes) return std::nullopt;
  const auto split = bytes->find('\n');
  const auto text = std::string_view(*bytes).substr(0, split);
  if (split == bytes->npos || bytes->substr(split + 1) != checksum(path.filename(), text))
    return std::nullopt;
  auto record = parse(text);
  std::error_code ignored;
  if (record) fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return record;
}

void LayerRecords::keep(const std::string& key, const LayerRecord& record) const {
  if (!keeps_any()) return;
  const auto path = path_of(key);
  const auto text = text_of(record);
  const auto written = write_own_file(path, text + "\n" + checksum(path.filename(), text));
  if (!written) log::debug("cannot keep what a layer is", {{"error", written.error().message}});
  // Those that were used longest ago go.
  FolderLimit limit;
  limit.max_files = kMaxInFolder;
  forget_oldest_files(path.parent_path(), limit);
}

void LayerRecords::forget_all() {
  wrong_ = true;
  std::error_code ignored;
  if (keeps_any()) fs::remove_all(folder_, ignored);
}

}  // namespace kiln::build
