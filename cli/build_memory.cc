#include "cli/build_memory.h"

#include <utility>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/oldest_files.h"
#include "core/base/own_file.h"
#include "core/base/sha256.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = 64 * 1024;
constexpr std::size_t kMaxFiles = 512;

/// All that decides what a request gets from a commit, and whether one may see it.
std::string name_of_request(const source::GitRequest& request) {
  const auto& ref = request.ref;
  const Json all = {
      request.url.str(),  ref.branch,      ref.tag,
      ref.semver,         ref.name,        ref.commit,
      request.sub_path,   request.include, request.exclude,
      request.submodules, request.lfs,     sha256_hex(request.credentials.fingerprint())};
  return "content-" + sha256_hex(dump_json(all));
}

}  // namespace

std::optional<std::string> BuildMemory::read(const std::string& name) const {
  if (folder_.empty()) return std::nullopt;
  auto text = read_file(folder_ / name, kMaxFileBytes);
  if (!text) return std::nullopt;
  return std::move(*text);
}

void BuildMemory::write(const std::string& name, const std::string& text) const {
  if (folder_.empty()) return;
  // Cut ones are no JSON.
  (void)write_own_file(folder_ / name, text);
  FolderLimit limit;
  limit.max_files = kMaxFiles;
  limit.files_left = kMaxFiles / 2;
  forget_oldest_files(folder_, limit);
}

std::optional<oci::Descriptor> BuildMemory::image(const std::string& input_key) const {
  const auto text = read("image-" + input_key);
  if (!text) return std::nullopt;
  const auto json = parse_json(*text);
  if (!json || !json->is_object()) return std::nullopt;
  auto digest = oci::Digest::parse(json_string(*json, "digest"));
  const auto& size = json_at(*json, "size");
  if (!digest || !size.is_number_unsigned()) return std::nullopt;
  return oci::Descriptor(json_string(*json, "mediaType"), std::move(*digest),
                         size.get<std::uint64_t>());
}

void BuildMemory::remember_image(const std::string& input_key, const oci::Descriptor& image) const {
  write("image-" + input_key, dump_json({{"mediaType", image.media_type},
                                         {"digest", image.digest.str()},
                                         {"size", image.size_bytes}}));
}

bool BuildMemory::has_built(const std::string& subject) const {
  return read("built-" + sha256_hex(subject)).has_value();
}

void BuildMemory::remember_built(const std::string& subject) const {
  write("built-" + sha256_hex(subject), subject + "\n");
}

std::optional<source::KnownContent> BuildMemory::content(const source::GitRequest& request) const {
  const auto text = read(name_of_request(request));
  if (!text) return std::nullopt;
  const auto json = parse_json(*text);
  if (!json || !json->is_object()) return std::nullopt;
  source::KnownContent known;
  known.revision = json_string(*json, "revision");
  known.identity = json_string(*json, "identity");
  if (known.revision.empty() || known.identity.empty()) return std::nullopt;
  return known;
}

void BuildMemory::remember_content(const source::GitRequest& request,
                                   const source::KnownContent& content) const {
  write(name_of_request(request),
        dump_json({{"revision", content.revision}, {"identity", content.identity}}));
}

}  // namespace kiln::cli
