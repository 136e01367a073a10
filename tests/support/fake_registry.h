#pragma once
#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/io.h"
#include "core/registry/client.h"
#include "core/registry/protocol/referrer.h"

namespace kiln::fakes {

/// All registries of a small world, in memory: repositories with blobs, manifests and tags. Records
/// every call; can fail the n-th call, the next calls of a kind, or whatever a hook decides.
///
///   fakes::FakeRegistry registry;
///   const auto base = registry.add_manifest("r.test/base", "1.27", manifest);
///   registry.fail_call(3, Error(Errc::kUnavailable, "connection was cut"));
///   …
///   EXPECT_EQ(registry.count("put_manifest"), 2u);
///   EXPECT_EQ(registry.tag("r.test/shop", "latest"), digest);
///
/// Imitates: a manifest whose blobs or child manifests are missing is refused (kConflict, as the
/// real client does), a blob whose bytes do not match its descriptor is refused (kCorrupt), every
/// call goes once around the executor, so calls of several coroutines interleave.
///
/// Does not imitate: HTTP, tokens, retries, caches of what a repository holds, single-flight
/// uploads, limits of size and of concurrency, time. Credentials are checked only where require()
/// was called, and equally for reading and writing. A mount needs no rights on its source. It
/// parses what it is given as a manifest only to find what that refers to.
class FakeRegistry final : public registry::Client {
 public:
  struct Call {
    std::string method;  ///< "resolve", "fetch_manifest", "ensure_blob", …
    std::string target;  ///< "r.test/shop:latest", "r.test/shop@sha256:…"
    std::vector<auth::Credential> credentials{};  ///< What the keychain gave for it.
  };
  using Hook = std::function<std::optional<Error>(const Call&)>;

  // --- Arranging -------------------------------------------------------------------------------

  oci::Descriptor add_blob(std::string_view repository, std::string bytes,
                           std::string media_type = "application/octet-stream") {
    oci::Descriptor blob(std::move(media_type), oci::Digest::of(bytes), bytes.size());
    at(repository).blobs.insert_or_assign(blob.digest, std::move(bytes));
    return blob;
  }
  /// Stored as it is, whether or not what it refers to is there. With "" as tag: by digest alone.
  oci::Digest add_manifest(std::string_view repository, const std::string& tag,
                           oci::RawManifest manifest) {
    auto& store = at(repository);
    const auto digest = manifest.digest;
    store.manifests.insert_or_assign(digest, std::move(manifest));
    if (!tag.empty()) store.tags.insert_or_assign(tag, digest);
    return digest;
  }
  void set_tag(std::string_view repository, const std::string& tag, const oci::Digest& digest) {
    at(repository).tags.insert_or_assign(tag, digest);
  }
  void forget_blob(std::string_view repository, const oci::Digest& digest) {
    at(repository).blobs.erase(digest);
  }
  void forget_tag(std::string_view repository, const std::string& tag) {
    at(repository).tags.erase(tag);
  }
  /// From now on this registry (host[:port]) asks for this credential: none → kUnauthorized.
  void require(std::string registry, auth::Credential credential) {
    required_.insert_or_assign(std::move(registry), std::move(credential));
  }

  /// From now on these words come with every answer, to whoever listens.
  void warn(std::string words) { warning_ = std::move(words); }

  // --- Faults ----------------------------------------------------------------------------------

  /// The n-th call from now on, counted from 1 and over all kinds, fails; it has no effect.
  void fail_call(std::size_t n, Error error) {
    failures_.insert_or_assign(calls_.size() + n, error);
  }
  /// The next `times` calls of this kind fail; they have no effect.
  void fail_next(std::string method, Error error, std::size_t times = 1) {
    for (std::size_t i = 0; i < times; ++i) next_failures_[method].push_back(error);
  }
  /// Asked at every call before it does anything; an error it answers becomes the call's.
  void on_call(Hook hook) { hook_ = std::move(hook); }

  /// Calls that `waits` says it of are answered only when it no longer does; it is asked again and
  /// again, with others let run in between.
  void hold(std::function<bool(const Call&)> waits) { waits_ = std::move(waits); }

  // --- Asserting -------------------------------------------------------------------------------

  const std::vector<Call>& calls() const { return calls_; }
  /// "put_manifest r.test/shop:latest" of each call, in order.
  std::vector<std::string> call_lines() const {
    std::vector<std::string> lines;
    for (const auto& call : calls_) lines.push_back(call.method + " " + call.target);
    return lines;
  }
  std::size_t count(std::string_view method) const {
    return static_cast<std::size_t>(std::count_if(
        calls_.begin(), calls_.end(), [&](const Call& call) { return call.method == method; }));
  }
  void forget_calls() { calls_.clear(), failures_.clear(); }
  /// How often bytes of a blob were really sent (kUploaded).
  std::size_t uploads() const { return uploads_; }

  bool has(std::string_view repository, const oci::Digest& blob) const {
    const auto* store = find(repository);
    return store && store->blobs.contains(blob);
  }
  std::optional<std::string> blob(std::string_view repository, const oci::Digest& digest) const {
    const auto* store = find(repository);
    if (!store || !store->blobs.contains(digest)) return std::nullopt;
    return store->blobs.at(digest);
  }
  std::optional<oci::RawManifest> manifest(std::string_view repository,
                                           const oci::Digest& digest) const {
    const auto* store = find(repository);
    if (!store || !store->manifests.contains(digest)) return std::nullopt;
    return store->manifests.at(digest);
  }
  std::optional<oci::Digest> tag(std::string_view repository, const std::string& name) const {
    const auto* store = find(repository);
    if (!store || !store->tags.contains(name)) return std::nullopt;
    return store->tags.at(name);
  }
  std::vector<std::string> tags(std::string_view repository) const {
    std::vector<std::string> names;
    if (const auto* store = find(repository))
      for (const auto& [name, digest] : store->tags) names.push_back(name);
    return names;
  }
  std::size_t manifest_count(std::string_view repository) const {
    const auto* store = find(repository);
    return store ? store->manifests.size() : 0;
  }

  // --- registry::Client ------------------------------------------------------------------------

  Task<Result<oci::Descriptor>> resolve(oci::Reference reference,
                                        registry::Access access) override {
    KILN_CO_TRY(co_await begin("resolve", reference.str(), reference.repository(), access));
    const auto found = look_up(reference);
    if (!found) co_return found.error();
    co_return found->descriptor();
  }

  Task<Result<oci::RawManifest>> fetch_manifest(oci::Reference reference,
                                                registry::Access access) override {
    KILN_CO_TRY(co_await begin("fetch_manifest", reference.str(), reference.repository(), access));
    co_return look_up(reference);
  }

  Task<Result<std::string>> fetch_blob(oci::Repository repository, oci::Descriptor blob,
                                       registry::Access access) override {
    const auto target = target_of(repository, blob.digest);
    KILN_CO_TRY(co_await begin("fetch_blob", target, repository, access));
    auto bytes = this->blob(repository.str(), blob.digest);
    if (!bytes) co_return not_found(target);
    co_return *std::move(bytes);
  }

  Task<Result<void>> fetch_blob_into(oci::Repository repository, oci::Descriptor blob,
                                     registry::Access access, ByteSink& sink) override {
    const auto target = target_of(repository, blob.digest);
    KILN_CO_TRY(co_await begin("fetch_blob_into", target, repository, access));
    const auto bytes = this->blob(repository.str(), blob.digest);
    if (!bytes) co_return not_found(target);
    co_return sink.write(*bytes);
  }

  Task<Result<registry::PushResult>> ensure_blob(oci::Repository repository, layer::Blob blob,
                                                 std::optional<oci::Repository> mount_from,
                                                 registry::Access access) override {
    const auto& descriptor = blob.descriptor();
    const auto target = target_of(repository, descriptor.digest);
    KILN_CO_TRY(co_await begin("ensure_blob", target, repository, access));
    if (has(repository.str(), descriptor.digest)) co_return registry::PushResult::kAlreadyPresent;
    if (mount_from && mount(repository, descriptor.digest, *mount_from))
      co_return registry::PushResult::kMounted;
    co_return take(repository, blob);
  }

  /// It takes what it has already once more.
  Task<Result<registry::PushResult>> send_blob(oci::Repository repository, layer::Blob blob,
                                               registry::Access access) override {
    const auto target = target_of(repository, blob.descriptor().digest);
    KILN_CO_TRY(co_await begin("send_blob", target, repository, access));
    co_return take(repository, blob);
  }

  Task<Result<bool>> has_blob(oci::Repository repository, oci::Digest digest,
                              registry::Access access) override {
    KILN_CO_TRY(co_await begin("has_blob", target_of(repository, digest), repository, access));
    co_return has(repository.str(), digest);
  }

  Task<Result<bool>> mount_blob(oci::Repository repository, oci::Descriptor blob,
                                oci::Repository from, registry::Access access) override {
    const auto target = target_of(repository, blob.digest);
    KILN_CO_TRY(co_await begin("mount_blob", target, repository, access));
    co_return mount(repository, blob.digest, from);
  }

  Task<Result<void>> put_manifest(oci::Repository repository, std::string tag,
                                  oci::RawManifest manifest, registry::Access access) override {
    const auto target =
        tag.empty() ? target_of(repository, manifest.digest) : repository.str() + ":" + tag;
    KILN_CO_TRY(co_await begin("put_manifest", target, repository, access));
    KILN_CO_TRY(check_references(repository, manifest));
    add_manifest(repository.str(), tag, std::move(manifest));
    co_return Result<void>();
  }

  Task<Result<bool>> check_login(std::string registry, registry::Access access) override {
    oci::Repository whole{registry, ""};
    KILN_CO_TRY(co_await begin("check_login", registry, std::move(whole), access));
    co_return required_.contains(registry);
  }
  /// One call of put_manifest for each tag.
  Task<Result<void>> put_manifest_tags(oci::Repository repository, std::vector<std::string> tags,
                                       oci::RawManifest manifest,
                                       registry::Access access) override {
    for (const auto& tag : tags)
      KILN_CO_TRY(co_await put_manifest(repository, tag, manifest, access));
    co_return Result<void>();
  }

  Task<Result<oci::Index>> referrers(oci::Repository repository, oci::Digest subject,
                                     std::string artifact_type, registry::Access access) override {
    KILN_CO_TRY(co_await begin("referrers", target_of(repository, subject), repository, access));
    oci::Index list{std::string(oci::media_type::kOciIndex)};
    for (const auto& [digest, manifest] : at(repository.str()).manifests) {
      const auto referrer = registry::protocol::referrer_of(manifest);
      if (referrer && referrer->subject == subject &&
          (artifact_type.empty() || referrer->entry.artifact_type == artifact_type))
        list.manifests.push_back(referrer->entry);
    }
    co_return list;
  }

  Task<Result<void>> remove(oci::Reference reference, registry::Access access) override {
    KILN_CO_TRY(co_await begin("remove", reference.str(), reference.repository(), access));
    auto& store = at(reference.repository().str());
    if (!reference.digest()) {
      store.tags.erase(reference.tag());
      co_return Result<void>();
    }
    store.manifests.erase(*reference.digest());
    std::erase_if(store.tags, [&](const auto& tag) { return tag.second == *reference.digest(); });
    co_return Result<void>();
  }

 private:
  struct Store {
    std::map<oci::Digest, std::string> blobs{};
    std::map<oci::Digest, oci::RawManifest> manifests{};
    std::map<std::string, oci::Digest> tags{};
  };

  static std::string target_of(const oci::Repository& repository, const oci::Digest& digest) {
    return repository.str() + "@" + digest.str();
  }
  static Error not_found(const std::string& target) {
    return {Errc::kNotFound, target + " was not found"};
  }

  Store& at(std::string_view repository) { return stores_[std::string(repository)]; }
  const Store* find(std::string_view repository) const {
    const auto it = stores_.find(std::string(repository));
    return it == stores_.end() ? nullptr : &it->second;
  }

  /// Records the call, lets others run, then answers the fault that was arranged for it.
  Task<Result<void>> begin(std::string method, std::string target, oci::Repository repository,
                           registry::Access access) {
    Call call{std::move(method), std::move(target)};
    if (access.keychain) call.credentials = access.keychain->find(repository);
    calls_.push_back(call);
    if (!warning_.empty() && access.listener)
      access.listener->warning(repository.registry, warning_);
    const auto number = calls_.size();
    do {
      co_await boost::asio::post(co_await boost::asio::this_coro::executor,
                                 boost::asio::use_awaitable);
    } while (waits_ && waits_(call));

    if (const auto it = failures_.find(number); it != failures_.end()) co_return it->second;
    if (auto& queue = next_failures_[call.method]; !queue.empty()) {
      auto error = queue.front();
      queue.pop_front();
      co_return error;
    }
    if (hook_)
      if (auto error = hook_(call)) co_return *std::move(error);
    co_return check_credentials(call, repository.registry);
  }

  Result<void> check_credentials(const Call& call, const std::string& registry) const {
    const auto it = required_.find(registry);
    if (it == required_.end()) return {};
    if (call.credentials.empty())
      return Error(Errc::kUnauthorized, registry + " asks for credentials and none were given");
    const auto& given = call.credentials;
    if (std::find(given.begin(), given.end(), it->second) == given.end())
      return Error(Errc::kUnauthorized, registry + " refused the credentials");
    return {};
  }

  Result<oci::RawManifest> look_up(const oci::Reference& reference) const {
    const auto name = reference.repository().str();
    const auto digest = reference.digest() ? reference.digest() : tag(name, reference.tag());
    if (!digest) return not_found(reference.str());
    auto found = manifest(name, *digest);
    if (!found) return not_found(reference.str());
    return *std::move(found);
  }

  Result<registry::PushResult> take(const oci::Repository& repository, const layer::Blob& blob) {
    const auto& descriptor = blob.descriptor();
    auto source = blob.open();
    if (!source) return source.error();
    auto bytes = read_all(**source, std::numeric_limits<std::uint32_t>::max());
    if (!bytes) return bytes.error();
    if (bytes->size() != descriptor.size_bytes || oci::Digest::of(*bytes) != descriptor.digest)
      return Error(Errc::kCorrupt, target_of(repository, descriptor.digest) +
                                       ": the bytes do not match the digest");
    ++uploads_;
    at(repository.str()).blobs.insert_or_assign(descriptor.digest, *std::move(bytes));
    return registry::PushResult::kUploaded;
  }

  bool mount(const oci::Repository& repository, const oci::Digest& digest,
             const oci::Repository& from) {
    if (from.registry != repository.registry) return false;
    auto bytes = blob(from.str(), digest);
    if (!bytes) return false;
    at(repository.str()).blobs.insert_or_assign(digest, *std::move(bytes));
    return true;
  }

  /// A registry does not take a manifest before what it refers to.
  Result<void> check_references(const oci::Repository& repository,
                                const oci::RawManifest& manifest) const {
    const auto* store = find(repository.str());
    const auto missing = [&](const oci::Digest& digest) {
      return Error(Errc::kConflict,
                   repository.str() + " lacks " + digest.str() + ", which the manifest refers to");
    };
    if (oci::media_type::is_index(manifest.media_type)) {
      const auto index = oci::Index::parse(manifest.bytes);
      if (!index) return index.error();
      for (const auto& entry : index->manifests)
        if (!store || !store->manifests.contains(entry.digest)) return missing(entry.digest);
      return {};
    }
    const auto parsed = oci::Manifest::parse(manifest.bytes);
    if (!parsed) return parsed.error();
    if (!store || !store->blobs.contains(parsed->config.digest))
      return missing(parsed->config.digest);
    for (const auto& layer : parsed->layers)
      if (!oci::media_type::is_nondistributable(layer.media_type) &&
          !store->blobs.contains(layer.digest))
        return missing(layer.digest);
    return {};
  }

  std::map<std::string, Store> stores_;
  std::map<std::string, auth::Credential> required_;
  std::vector<Call> calls_;
  std::map<std::size_t, Error> failures_;
  std::map<std::string, std::deque<Error>> next_failures_;
  Hook hook_;
  std::function<bool(const Call&)> waits_;
  std::string warning_;
  std::size_t uploads_ = 0;
};

}  // namespace kiln::fakes
