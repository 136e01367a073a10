#include "core/build/base_cache.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/sha256.h"
#include "core/build/registry_reader.h"
#include "core/oci/verifying_source.h"
#include "core/registry/transport.h"

namespace kiln::build {
namespace {

constexpr std::uint64_t kMaxTextBytes = 16 * 1024 * 1024;
constexpr std::uint64_t kMaxIndexEntries = 100'000;  // About 10 MiB.
constexpr std::uint64_t kMaxIndexFileBytes = 512ULL * 1024 * 1024;

constexpr std::chrono::milliseconds kNotKept{0};

}  // namespace

std::string question(std::string_view what, const oci::Repository& repository,
                     const registry::Access& access) {
  std::vector<auth::Credential> credentials;
  if (access.keychain) credentials = access.keychain->find(repository);
  if (credentials.empty()) credentials.emplace_back();
  Sha256 way;
  for (const auto& credential : credentials)
    way.update(registry::Transport::identity_of(repository, access, credential));
  return std::string(what) + " " + way.finish_hex();
}

BaseCache::BaseCache(registry::Client& registry, WorkPool& pool, const Clock& clock,
                     std::filesystem::path directory, std::string spool_dir)
    : registry_(registry),
      pool_(pool),
      directory_(std::move(directory)),
      spool_dir_(std::move(spool_dir)),
      tops_(clock),
      manifests_(clock, kNotKept),
      configs_(clock, kNotKept),
      layers_(clock, kNotKept),
      texts_(kMaxTextBytes),
      indexes_(kMaxIndexEntries) {
  std::error_code ignored;  // Without the folder everything still works, only slower.
  if (!directory_.empty()) std::filesystem::create_directories(directory_ / "layer-index", ignored);
}

Task<Result<oci::Descriptor>> BaseCache::resolve(oci::Reference reference, registry::Access access,
                                                 std::chrono::milliseconds max_age) {
  auto asked = question(reference.str(), reference.repository(), access);
  SharedAnswers<oci::Descriptor>::Ask ask = [this, asked, reference, access] {
    return ask_registry(asked, reference, access);
  };
  co_return co_await tops_.get(asked, reference.str(), max_age, std::move(ask));
}

Task<Result<oci::Descriptor>> BaseCache::ask_registry(std::string question,
                                                      oci::Reference reference,
                                                      registry::Access access) {
  if (listener_ != nullptr) listener_->asked(reference);
  auto now = co_await registry_.resolve(reference, std::move(access));
  if (!now) co_return std::move(now).error();
  const auto before = tops_.last(question);
  if (before && before->digest != now->digest) {
    // Others may know an older answer, by other credentials.
    tops_.forget(reference.str(), std::chrono::milliseconds(0), question);
    if (listener_ != nullptr) listener_->moved(reference);
  }
  co_return now;
}

Task<Result<oci::RawManifest>> BaseCache::manifest(oci::Reference reference,
                                                   registry::Access access) {
  if (!reference.digest()) co_return co_await fetch_manifest(std::move(reference), access);
  // The repository is part of the key: who may read one repository may not read another.
  const auto key = "manifest " + reference.repository().str() + "@" + reference.identifier();
  if (const auto* found = texts_.find(key)) {
    const auto split = found->find('\n');
    co_return oci::RawManifest(found->substr(0, split), found->substr(split + 1));
  }
  SharedAnswers<oci::RawManifest>::Ask ask = [this, reference, access] {
    return fetch_manifest(reference, access);
  };
  co_return co_await manifests_.get(question(key, reference.repository(), access), std::string(),
                                    manifests_.kAnyAge, std::move(ask));
}

Task<Result<oci::RawManifest>> BaseCache::fetch_manifest(oci::Reference reference,
                                                         registry::Access access) {
  auto fetched = co_await registry_.fetch_manifest(reference, std::move(access));
  if (!fetched) co_return std::move(fetched).error();
  texts_.put("manifest " + reference.repository().str() + "@" + fetched->digest.str(),
             fetched->media_type + "\n" + fetched->bytes, fetched->bytes.size());
  co_return fetched;
}

Task<Result<std::string>> BaseCache::config(oci::Repository repository, oci::Descriptor blob,
                                            registry::Access access) {
  const auto key = "config " + repository.str() + "@" + blob.digest.str();
  if (const auto* found = texts_.find(key)) co_return *found;
  SharedAnswers<std::string>::Ask ask = [this, key, repository, blob, access] {
    return fetch_config(key, repository, blob, access);
  };
  co_return co_await configs_.get(question(key, repository, access), std::string(),
                                  configs_.kAnyAge, std::move(ask));
}

Task<Result<std::string>> BaseCache::fetch_config(std::string key, oci::Repository repository,
                                                  oci::Descriptor blob, registry::Access access) {
  auto fetched =
      co_await registry_.fetch_blob(std::move(repository), std::move(blob), std::move(access));
  if (fetched) texts_.put(key, *fetched, fetched->size());
  co_return fetched;
}

Task<Result<std::shared_ptr<const layer::LayerIndex>>> BaseCache::layer_index(
    image::LayerSource source, registry::Access access) {
  const auto compression = oci::media_type::layer_compression(source.descriptor.media_type);
  if (compression == oci::media_type::LayerCompression::kUnknown ||
      oci::media_type::is_nondistributable(source.descriptor.media_type))
    co_return std::make_shared<const layer::LayerIndex>();

  const auto digest = source.descriptor.digest;
  const auto key = digest.hex();
  if (const auto* found = indexes_.find(key)) co_return *found;
  const auto path = index_path(digest);
  if (!path.empty()) {
    auto read = [path]() -> Result<layer::LayerIndex> {
      const auto bytes = read_file(path, kMaxIndexFileBytes);
      if (!bytes) return bytes.error();
      return layer::LayerIndex::from_bytes(*bytes);
    };
    auto stored = co_await pool_.run(std::move(read));
    // Meanwhile somebody else may have come to it.
    if (const auto* found = indexes_.find(key)) co_return *found;
    if (stored) {
      SharedIndex kept = std::make_shared<const layer::LayerIndex>(std::move(*stored));
      indexes_.put(key, kept, kept->entries.size());
      co_return kept;
    }
  }
  // What is here (a layout's, an archive's) is read by whoever has it.
  if (!source.repository) co_return co_await make_index(std::move(source), std::move(access));
  const auto repository = *source.repository;
  SharedAnswers<SharedIndex>::Ask ask = [this, source, access] {
    return make_index(source, access);
  };
  co_return co_await layers_.get(
      question(repository.str() + "@" + digest.str(), repository, access), std::string(),
      layers_.kAnyAge, std::move(ask));
}

Task<Result<BaseCache::SharedIndex>> BaseCache::make_index(image::LayerSource source,
                                                           registry::Access access) {
  const auto digest = source.descriptor.digest;
  auto made = co_await read_index(std::move(source), std::move(access));
  if (!made)
    co_return std::move(made).error().while_doing("reading the layer " + digest.short_hex());
  SharedIndex kept = std::make_shared<const layer::LayerIndex>(std::move(*made));
  indexes_.put(digest.hex(), kept, kept->entries.size());
  const auto path = index_path(digest);
  if (!path.empty()) {
    auto write = [path, kept] { return write_file_atomically(path, kept->to_bytes()); };
    const auto written = co_await pool_.run(std::move(write));
    if (!written) log::warning("cannot keep a layer index", {{"error", written.error().message}});
  }
  co_return kept;
}

Task<Result<layer::LayerIndex>> BaseCache::read_index(image::LayerSource source,
                                                      registry::Access access) {
  auto blob = source.blob;
  constexpr auto kMaxBytes = layer::ReadLimits().max_uncompressed_bytes;
  if (source.descriptor.size_bytes > kMaxBytes)
    co_return Error(Errc::kInvalid, "it has " + std::to_string(source.descriptor.size_bytes) +
                                        " bytes, more than the allowed " +
                                        std::to_string(kMaxBytes));
  if (!blob) {
    auto fetched = co_await fetch_blob(registry_, *source.repository, source.descriptor,
                                       std::move(access), spool_dir_);
    if (!fetched) co_return std::move(fetched).error();
    blob = std::move(*fetched);
  }
  auto work = [blob = *blob]() -> Result<layer::LayerIndex> {
    auto bytes = blob.open();
    if (!bytes) return std::move(bytes).error();
    // What is kept under a digest must be that digest's, wherever the bytes came from.
    oci::VerifyingSource verified(std::move(*bytes), blob.descriptor());
    return layer::index_layer(verified, layer::ReadLimits());
  };
  co_return co_await pool_.run(std::move(work));
}

std::filesystem::path BaseCache::index_path(const oci::Digest& digest) const {
  return directory_.empty() ? std::filesystem::path() : directory_ / "layer-index" / digest.hex();
}

}  // namespace kiln::build
