#include "core/registry/mirrored_client.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/sha256.h"

namespace kiln::registry {
namespace {

constexpr std::chrono::minutes kLeftAlone{5};

/// Lets a second download go on where the first one stopped: what was passed on already must come
/// again, and must be the same.
class ResumingSink final : public ByteSink {
 public:
  explicit ResumingSink(ByteSink& next) : next_(next) {}

  /// Another download begins, at the first byte.
  void restart() {
    if (seen_ == passed_) passed_sum_ = all_.finish_hex();
    known_ = Sha256();
    all_ = Sha256();
    seen_ = 0;
  }
  bool next_failed() const { return next_failed_; }

  Result<void> write(std::string_view bytes) override {
    if (seen_ < passed_) {
      const auto count = std::min<std::uint64_t>(passed_ - seen_, bytes.size());
      const auto known = bytes.substr(0, static_cast<std::size_t>(count));
      known_.update(known);
      all_.update(known);
      seen_ += count;
      bytes.remove_prefix(known.size());
      if (seen_ == passed_ && known_.finish_hex() != passed_sum_)
        return Error(Errc::kCorrupt, "what a mirror sent is not what others have");
    }
    if (bytes.empty()) return {};
    all_.update(bytes);
    seen_ += bytes.size();
    passed_ = seen_;
    auto written = next_.write(bytes);
    next_failed_ = written.has_error();
    return written;
  }

 private:
  ByteSink& next_;
  Sha256 all_;              // Of this download's bytes.
  Sha256 known_;            // Of those among them that were passed on before.
  std::string passed_sum_;  // Of all that was passed on.
  std::uint64_t passed_ = 0;
  std::uint64_t seen_ = 0;
  bool next_failed_ = false;
};

/// The same tag or digest elsewhere. Precondition: is_valid(repository).
oci::Reference reference_in(const oci::Repository& repository, const oci::Reference& reference) {
  const auto text = repository.str() +
                    (reference.digest() ? "@" + reference.digest()->str() : ":" + reference.tag());
  return oci::Reference::parse(text).value();
}

/// A mirror's path and a repository's may be too long together.
bool is_valid(const oci::Repository& repository) {
  return oci::Reference::parse_repository(repository.str()).has_value();
}

}  // namespace

Access MirroredClient::settled(const oci::Repository& repository, Access access) const {
  const auto* settings = registries_.find(repository);
  if (!settings) return access;
  access.insecure = access.insecure || settings->insecure;
  if (!access.tls) access.tls = settings->tls;
  if (access.chunk_bytes == 0) access.chunk_bytes = settings->chunk_bytes;
  if (access.parallel == 0) access.parallel = settings->parallel;
  return access;
}

std::vector<MirroredClient::Source> MirroredClient::sources_of(const oci::Repository& repository,
                                                               bool by_digest, Access access) {
  std::vector<Source> sources;
  const auto now = clock_.steady_now();
  if (const auto* settings = registries_.find(repository)) {
    for (const auto& mirror : settings->mirrors) {
      if (mirror.digest_only && !by_digest) continue;
      if (const auto it = left_alone_.find(mirror.str()); it != left_alone_.end()) {
        if (it->second > now) continue;
        left_alone_.erase(it);
      }
      Access way;
      way.keychain = access.keychain;
      way.listener = access.listener;
      way.tls = mirror.tls;
      way.insecure = mirror.insecure;
      way.one_try = true;
      auto there = in_mirror(mirror, settings->prefix, repository);
      if (!is_valid(there)) continue;
      Source source(std::move(there), std::move(way));
      source.mirror = mirror.str();
      sources.push_back(std::move(source));
    }
  }
  sources.emplace_back(repository, settled(repository, std::move(access)));
  return sources;
}

void MirroredClient::note_failure(const Source& source, const Error& error) {
  if (source.access.listener) source.access.listener->mirror_failed(source.mirror, error.message);
  // It may well lack this image alone.
  const bool its_own = error.code == Errc::kNotFound || error.code == Errc::kUnauthorized ||
                       error.code == Errc::kDenied;
  if (its_own) {
    log::debug("mirror cannot serve a pull", {{"mirror", source.mirror}, {"error", error.message}});
    return;
  }
  left_alone_.insert_or_assign(source.mirror, clock_.steady_now() + kLeftAlone);
  log::warning("mirror failed and is left alone for some minutes",
               {{"mirror", source.mirror}, {"error", error.message}});
}

template <class T>
Task<Result<T>> MirroredClient::pull(std::vector<Source> sources, Pull<T> from) {
  for (const auto& source : sources) {
    auto result = co_await from(source);
    if (result || source.mirror.empty() || result.error().code == Errc::kCancelled)
      co_return result;
    note_failure(source, result.error());
  }
  co_return Error(Errc::kInternal, "there is nowhere to pull from");
}

Task<Result<oci::Descriptor>> MirroredClient::resolve(oci::Reference reference, Access access) {
  auto sources =
      sources_of(reference.repository(), reference.digest().has_value(), std::move(access));
  Pull<oci::Descriptor> from = [this, reference](const Source& source) {
    return inner_.resolve(reference_in(source.repository, reference), source.access);
  };
  return pull(std::move(sources), std::move(from));
}

Task<Result<oci::RawManifest>> MirroredClient::fetch_manifest(oci::Reference reference,
                                                              Access access) {
  auto sources =
      sources_of(reference.repository(), reference.digest().has_value(), std::move(access));
  Pull<oci::RawManifest> from = [this, reference](const Source& source) {
    return inner_.fetch_manifest(reference_in(source.repository, reference), source.access);
  };
  return pull(std::move(sources), std::move(from));
}

Task<Result<std::string>> MirroredClient::fetch_blob(oci::Repository repository,
                                                     oci::Descriptor blob, Access access) {
  Pull<std::string> from = [this, blob](const Source& source) {
    return inner_.fetch_blob(source.repository, blob, source.access);
  };
  return pull(sources_of(repository, true, std::move(access)), std::move(from));
}

Task<Result<void>> MirroredClient::fetch_blob_into(oci::Repository repository, oci::Descriptor blob,
                                                   Access access, ByteSink& sink) {
  ResumingSink resuming(sink);
  for (const auto& source : sources_of(repository, true, std::move(access))) {
    auto fetched =
        co_await inner_.fetch_blob_into(source.repository, blob, source.access, resuming);
    if (fetched || source.mirror.empty() || resuming.next_failed() ||
        fetched.error().code == Errc::kCancelled)
      co_return fetched;
    note_failure(source, fetched.error());
    resuming.restart();
  }
  co_return Error(Errc::kInternal, "there is nowhere to pull from");
}

Task<Result<PushResult>> MirroredClient::ensure_blob(oci::Repository repository, layer::Blob blob,
                                                     std::optional<oci::Repository> mount_from,
                                                     Access access) {
  auto way = settled(repository, std::move(access));
  return inner_.ensure_blob(std::move(repository), std::move(blob), std::move(mount_from),
                            std::move(way));
}

Task<Result<PushResult>> MirroredClient::send_blob(oci::Repository repository, layer::Blob blob,
                                                   Access access) {
  auto way = settled(repository, std::move(access));
  return inner_.send_blob(std::move(repository), std::move(blob), std::move(way));
}

Task<Result<bool>> MirroredClient::has_blob(oci::Repository repository, oci::Digest digest,
                                            Access access) {
  auto way = settled(repository, std::move(access));
  return inner_.has_blob(std::move(repository), std::move(digest), std::move(way));
}

Task<Result<bool>> MirroredClient::mount_blob(oci::Repository repository, oci::Descriptor blob,
                                              oci::Repository from, Access access) {
  auto way = settled(repository, std::move(access));
  return inner_.mount_blob(std::move(repository), std::move(blob), std::move(from), std::move(way));
}

Task<Result<void>> MirroredClient::put_manifest(oci::Repository repository, std::string tag,
                                                oci::RawManifest manifest, Access access) {
  auto way = settled(repository, std::move(access));
  return inner_.put_manifest(std::move(repository), std::move(tag), std::move(manifest),
                             std::move(way));
}

Task<Result<void>> MirroredClient::put_manifest_tags(oci::Repository repository,
                                                     std::vector<std::string> tags,
                                                     oci::RawManifest manifest, Access access) {
  auto way = settled(repository, std::move(access));
  return inner_.put_manifest_tags(std::move(repository), std::move(tags), std::move(manifest),
                                  std::move(way));
}

Task<Result<oci::Index>> MirroredClient::referrers(oci::Repository repository, oci::Digest subject,
                                                   std::string artifact_type, Access access) {
  auto way = settled(repository, std::move(access));
  return inner_.referrers(std::move(repository), std::move(subject), std::move(artifact_type),
                          std::move(way));
}

Task<Result<bool>> MirroredClient::check_login(std::string registry, Access access) {
  const oci::Repository whole{registry, ""};
  auto way = settled(whole, std::move(access));
  return inner_.check_login(std::move(registry), std::move(way));
}

Task<Result<void>> MirroredClient::remove(oci::Reference reference, Access access) {
  auto way = settled(reference.repository(), std::move(access));
  return inner_.remove(std::move(reference), std::move(way));
}

}  // namespace kiln::registry
