#include "core/registry/http_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/base/gather.h"
#include "core/registry/blob_download.h"
#include "core/registry/blob_upload.h"
#include "core/registry/protocol/endpoint.h"
#include "core/registry/protocol/error_body.h"

namespace kiln::registry {
namespace {

using protocol::Scopes;

constexpr std::uint64_t kMaxManifestPull = 8 * 1024 * 1024;
constexpr std::uint64_t kMaxManifestPush = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxSmallBlob = 8 * 1024 * 1024;
constexpr std::size_t kTransfersPerRegistry = 4;
constexpr int kMaxRedirects = 5;
constexpr std::size_t kTagsAtOnce = 10;  // So many every registry takes that takes several.

/// What the memory and the flights know a blob by. The way to the registry is part of it: what an
/// unverified connection says about a blob is worth nothing to others.
std::string blob_key(const oci::Repository& repository, const oci::Digest& digest,
                     const Access& access) {
  return Transport::identity_of(repository, access, auth::Credential()) + "/" + repository.path +
         "@" + digest.hex();
}

/// The descriptor that HEAD's answer makes; nullopt when the registry does not say enough (Q23).
std::optional<oci::Descriptor> descriptor_of(const http::Headers& headers) {
  const auto digest = oci::Digest::parse(headers.get("Docker-Content-Digest"));
  if (!digest) return std::nullopt;
  auto type = headers.get("Content-Type");
  type = type.substr(0, type.find_first_of("; "));
  if (!oci::media_type::is_manifest(type) && !oci::media_type::is_index(type)) return std::nullopt;
  const auto length = headers.get("Content-Length");
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), size);
  if (error != std::errc() || end != length.data() + length.size() || size == 0)
    return std::nullopt;
  return oci::Descriptor(std::string(type), *digest, size);
}

Error wrong_digest(const std::string& subject, const oci::Digest& got, const oci::Digest& wanted) {
  return {Errc::kCorrupt,
          subject + ": the registry answered with " + got.str() + " instead of " + wanted.str()};
}

/// The parts of comma-separated fields (RFC 9110, 5.6.1).
std::vector<std::string> names_in(const std::vector<std::string_view>& fields) {
  std::vector<std::string> names;
  for (const auto field : fields) {
    std::string name;
    for (const char c : std::string(field) + ",") {
      if (c == ',') names.push_back(std::exchange(name, {}));
      if (c != ',' && c != ' ' && c != '\t') name += c;
    }
  }
  return names;
}

std::string subject_of(const oci::Repository& repository, const oci::Digest& digest) {
  return repository.str() + "@sha256:" + digest.short_hex();
}

}  // namespace

/// An upload under way that others wait for.
struct HttpRegistryClient::Flight {
  explicit Flight(const Executor& executor)
      : over(executor, boost::asio::steady_timer::time_point::max()) {}
  boost::asio::steady_timer over;
  std::optional<Result<PushResult>> result{};
};

/// Ends a flight, also when its coroutine is cancelled.
struct HttpRegistryClient::Landing {
  Landing(HttpRegistryClient& c, std::string k, std::shared_ptr<Flight> f)
      : client(c), key(std::move(k)), flight(std::move(f)) {}
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;
  ~Landing() {
    if (!flight->result) flight->result = Error(Errc::kCancelled, "cancelled");
    client.flights_.erase(key);
    flight->over.expires_at(boost::asio::steady_timer::time_point::min());
  }
  HttpRegistryClient& client;
  std::string key;
  std::shared_ptr<Flight> flight;
};

HttpRegistryClient::HttpRegistryClient(http::Client& http, const Clock& clock,
                                       http::RetryPolicy policy)
    : clock_(clock),
      policy_(policy),
      transport_(http, clock, std::move(policy)),
      referrers_(transport_, clock) {}

HttpRegistryClient::~HttpRegistryClient() = default;

std::shared_ptr<Gate> HttpRegistryClient::gate_of(const std::string& registry,
                                                  const Access& access) {
  auto& gate = gates_[registry];
  if (!gate)
    gate = std::make_shared<Gate>(access.parallel > 0 ? access.parallel : kTransfersPerRegistry);
  return gate;
}

std::shared_ptr<protocol::UploadPlan> HttpRegistryClient::plan_of(const std::string& registry,
                                                                  const Access& access) {
  auto& plan = plans_[registry];
  if (!plan) plan = std::make_shared<protocol::UploadPlan>(access.chunk_bytes);
  return plan;
}

// --- Manifests -----------------------------------------------------------------------------------

Task<Result<oci::Descriptor>> HttpRegistryClient::resolve(oci::Reference reference, Access access) {
  const auto& repository = reference.repository();
  Call head(repository, access, Scopes::pull(repository.path), "HEAD",
            protocol::manifest_path(repository, reference.identifier()));
  head.headers.set("Accept", protocol::manifest_accept());
  head.max_redirects = kMaxRedirects;
  auto answer = co_await transport_.send(std::move(head));
  if (!answer) co_return answer.error();
  if (answer->status() == 200) {
    auto found = descriptor_of(answer->headers());
    if (found && reference.digest() && found->digest != *reference.digest())
      co_return wrong_digest(reference.str(), found->digest, *reference.digest());
    if (found) co_return *std::move(found);
  } else if (answer->status() != 405 && answer->status() != 400 && answer->status() != 406) {
    co_return protocol::error_from(answer->response, reference.str(), clock_.now());
  }
  const auto manifest = co_await get_manifest(reference, access);
  if (!manifest) co_return manifest.error();
  co_return manifest->descriptor();
}

Task<Result<oci::RawManifest>> HttpRegistryClient::fetch_manifest(oci::Reference reference,
                                                                  Access access) {
  return get_manifest(std::move(reference), std::move(access));
}

Task<Result<oci::RawManifest>> HttpRegistryClient::get_manifest(oci::Reference reference,
                                                                Access access) {
  const auto& repository = reference.repository();
  Call get(repository, access, Scopes::pull(repository.path), "GET",
           protocol::manifest_path(repository, reference.identifier()));
  get.headers.set("Accept", protocol::manifest_accept());
  get.max_redirects = kMaxRedirects;
  get.response_limit_bytes = kMaxManifestPull;
  auto answer = co_await transport_.send(std::move(get));
  if (!answer) co_return answer.error();
  if (answer->status() != 200)
    co_return protocol::error_from(answer->response, reference.str(), clock_.now());

  auto& body = answer->response.body;
  auto type = oci::detect_media_type(body, answer->headers().get("Content-Type"));
  if (!type) co_return std::move(type).error().while_doing(reference.str());
  oci::RawManifest manifest(*std::move(type), std::move(body));
  if (reference.digest() && manifest.digest != *reference.digest())
    co_return wrong_digest(reference.str(), manifest.digest, *reference.digest());
  const auto said = oci::Digest::parse(answer->headers().get("Docker-Content-Digest"));
  if (said && *said != manifest.digest)
    co_return wrong_digest(reference.str(), manifest.digest, *said);
  co_return manifest;
}

Task<Result<void>> HttpRegistryClient::put_manifest(oci::Repository repository, std::string tag,
                                                    oci::RawManifest manifest, Access access) {
  auto identifier = tag.empty() ? manifest.digest.str() : std::move(tag);
  auto stored = co_await store_manifest(std::move(repository), std::move(identifier),
                                        std::move(manifest), std::move(access));
  if (!stored) co_return std::move(stored).error();
  co_return Result<void>();
}

/// PUTs under a tag or digest, which may have a query behind it; answers the response's fields.
Task<Result<http::Headers>> HttpRegistryClient::store_manifest(oci::Repository repository,
                                                               std::string identifier,
                                                               oci::RawManifest manifest,
                                                               Access access) {
  const auto name = identifier.substr(0, identifier.find('?'));
  const auto subject = repository.str() + (name.find(':') == name.npos ? ":" : "@") + name;
  if (manifest.bytes.size() > kMaxManifestPush)
    co_return Error(Errc::kInvalid,
                    subject + ": the manifest is larger than 4 MiB, which registries refuse");

  Call put(repository, access, Scopes::push(repository.path), "PUT",
           protocol::manifest_path(repository, identifier));
  put.headers.set("Content-Type", manifest.media_type);
  put.body = http::Body(manifest.bytes);
  auto answer = co_await transport_.send(std::move(put));
  if (!answer) co_return answer.error();
  if (answer->status() < 200 || answer->status() >= 300)
    co_return refused_manifest(answer->response, repository, manifest, access);
  const auto stored = oci::Digest::parse(answer->headers().get("Docker-Content-Digest"));
  if (stored && *stored != manifest.digest)
    co_return wrong_digest(subject, *stored, manifest.digest);
  if (auto referrer = protocol::referrer_of(manifest);
      referrer && !answer->headers().has("OCI-Subject")) {
    auto listed = co_await referrers_.add(repository, *std::move(referrer), access);
    if (!listed) co_return std::move(listed).error().while_doing(subject);
  }
  co_return answer->headers();
}

Task<Result<void>> HttpRegistryClient::put_manifest_tags(oci::Repository repository,
                                                         std::vector<std::string> tags,
                                                         oci::RawManifest manifest, Access access) {
  std::vector<std::string> left;
  for (auto& tag : tags) {
    left.push_back(std::move(tag));
    if (left.size() < kTagsAtOnce && &tag != &tags.back()) continue;
    if (left.size() > 1 && !one_tag_at_a_time_.contains(repository.registry)) {
      std::string query;
      for (const auto& name : left) query += (query.empty() ? "?tag=" : "&tag=") + name;
      auto stored =
          co_await store_manifest(repository, manifest.digest.str() + query, manifest, access);
      if (stored) {
        const auto before = left.size();
        for (const auto& name : names_in(stored->all("OCI-Tag"))) std::erase(left, name);
        if (left.size() == before) one_tag_at_a_time_.insert(repository.registry);
      } else if (stored.error().code != Errc::kInvalid) {  // 414 and 431 are a matter of the query.
        co_return std::move(stored).error();
      }
    }
    auto rest = std::exchange(left, {});
    KILN_CO_TRY(co_await put_each_tag(repository, std::move(rest), manifest, access));
  }
  co_return Result<void>();
}

/// At the same time: registries take long for each, and what the manifest refers to is there. One
/// that cannot take a manifest twice at once gets it one by one.
Task<Result<void>> HttpRegistryClient::put_each_tag(oci::Repository repository,
                                                    std::vector<std::string> tags,
                                                    oci::RawManifest manifest, Access access) {
  std::vector<Task<Result<http::Headers>>> puts;
  for (const auto& tag : tags) puts.push_back(store_manifest(repository, tag, manifest, access));
  const auto put = co_await gather(std::move(puts), kTransfersPerRegistry);
  if (put) co_return Result<void>();
  if (tags.size() < 2 || put.error().code != Errc::kInvalid) co_return put.error();
  for (const auto& tag : tags)
    KILN_CO_TRY(co_await put_manifest(repository, tag, manifest, access));
  co_return Result<void>();
}

Task<Result<oci::Index>> HttpRegistryClient::referrers(oci::Repository repository,
                                                       oci::Digest subject,
                                                       std::string artifact_type, Access access) {
  return referrers_.list(std::move(repository), std::move(subject), std::move(artifact_type),
                         std::move(access));
}

/// Where blobs are missing, the next ensure_blob() sends them whatever HEAD says (Q29, R8).
Error HttpRegistryClient::refused_manifest(const http::Response& answer,
                                           const oci::Repository& repository,
                                           const oci::RawManifest& manifest, const Access& access) {
  auto error = protocol::error_from(answer, repository.str(), clock_.now());
  const auto body = protocol::parse_error_body(answer.body);
  const bool missing =
      answer.status() < 500 && (body.has("MANIFEST_BLOB_UNKNOWN") || body.has("BLOB_UNKNOWN") ||
                                body.has("MANIFEST_UNKNOWN"));
  if (!missing) return error;
  error.code = Errc::kConflict;
  auto lost = body.digests;
  const auto parsed = oci::Manifest::parse(manifest.bytes);
  if (lost.empty() && parsed) {
    lost.push_back(parsed->config.digest);
    for (const auto& layer : parsed->layers) lost.push_back(layer.digest);
  }
  for (const auto& digest : lost) memory_.mark_lost(blob_key(repository, digest, access));
  return error;
}

Task<Result<void>> HttpRegistryClient::remove(oci::Reference reference, Access access) {
  const auto& repository = reference.repository();
  auto scopes = Scopes::push(repository.path);
  scopes.add("repository:" + repository.path + ":delete");
  Call call(repository, access, std::move(scopes), "DELETE",
            protocol::manifest_path(repository, reference.identifier()));
  auto answer = co_await transport_.send(std::move(call));
  if (!answer) co_return answer.error();
  const auto status = answer->status();
  if ((status >= 200 && status < 300) || status == 404) co_return Result<void>();
  auto error = protocol::error_from(answer->response, reference.str(), clock_.now());
  if (status == 405 || status == 400) {  // Switched off, or not for tags (Q38).
    error.code = Errc::kUnsupported;
    if (!reference.digest())
      error.message += "; many registries delete manifests by digest only, not tags";
  }
  co_return error;
}

Task<Result<bool>> HttpRegistryClient::check_login(std::string registry, Access access) {
  Call get(oci::Repository{registry, ""}, std::move(access), Scopes(), "GET", "/v2/");
  get.max_redirects = kMaxRedirects;
  auto answer = co_await transport_.send(std::move(get));
  if (!answer) co_return answer.error();
  if (answer->status() == 200) co_return answer->authorized;
  if (answer->status() == 404 || answer->status() == 405)
    co_return Error(Errc::kUnsupported, registry + " is no registry: GET /v2/ was answered with " +
                                            std::to_string(answer->status()));
  co_return protocol::error_from(answer->response, registry, clock_.now());
}

// --- Blobs, down ---------------------------------------------------------------------------------

Task<Result<void>> HttpRegistryClient::fetch_blob_into(oci::Repository repository,
                                                       oci::Descriptor blob, Access access,
                                                       ByteSink& sink) {
  const auto gate = gate_of(repository.registry, access);
  const auto permit = co_await gate->enter();
  if (!permit) co_return permit.error();
  BlobDownload download(transport_, clock_, policy_, std::move(repository), std::move(blob),
                        std::move(access));
  co_return co_await download.into(sink);
}

Task<Result<std::string>> HttpRegistryClient::fetch_blob(oci::Repository repository,
                                                         oci::Descriptor blob, Access access) {
  if (blob.size_bytes > kMaxSmallBlob)
    co_return Error(Errc::kInvalid, subject_of(repository, blob.digest) + " is larger than 8 MiB");
  StringSink sink(kMaxSmallBlob);
  auto fetched =
      co_await fetch_blob_into(std::move(repository), std::move(blob), std::move(access), sink);
  if (!fetched) co_return std::move(fetched).error();
  co_return sink.take();
}

// --- Blobs, up -----------------------------------------------------------------------------------

Task<Result<bool>> HttpRegistryClient::look_for_blob(oci::Repository repository, oci::Digest digest,
                                                     Access access, Scopes scopes) {
  const auto key = blob_key(repository, digest, access);
  if (memory_.knows(key, clock_.steady_now())) co_return true;
  if (memory_.is_lost(key)) co_return false;
  Call head(repository, access, std::move(scopes), "HEAD", protocol::blob_path(repository, digest));
  head.max_redirects = kMaxRedirects;
  auto answer = co_await transport_.send(std::move(head));
  if (!answer) co_return answer.error();
  if (answer->status() == 404) co_return false;
  if (answer->status() != 200)
    co_return protocol::error_from(answer->response, subject_of(repository, digest), clock_.now());
  memory_.remember(key, clock_.steady_now());
  co_return true;
}

Task<Result<bool>> HttpRegistryClient::has_blob(oci::Repository repository, oci::Digest digest,
                                                Access access) {
  auto scopes = Scopes::pull(repository.path);
  return look_for_blob(std::move(repository), std::move(digest), std::move(access),
                       std::move(scopes));
}

Task<Result<PushResult>> HttpRegistryClient::ensure_blob(oci::Repository repository,
                                                         layer::Blob blob,
                                                         std::optional<oci::Repository> mount_from,
                                                         Access access) {
  return push_blob(std::move(repository), std::move(blob), std::move(mount_from), std::move(access),
                   AskFirst::kYes);
}

Task<Result<PushResult>> HttpRegistryClient::send_blob(oci::Repository repository, layer::Blob blob,
                                                       Access access) {
  return push_blob(std::move(repository), std::move(blob), std::nullopt, std::move(access),
                   AskFirst::kNo);
}

/// Who comes while another sends the same blob waits for that.
Task<Result<PushResult>> HttpRegistryClient::push_blob(oci::Repository repository, layer::Blob blob,
                                                       std::optional<oci::Repository> mount_from,
                                                       Access access, AskFirst ask_first) {
  const auto key = blob_key(repository, blob.descriptor().digest, access);
  for (auto it = flights_.find(key); it != flights_.end(); it = flights_.find(key)) {
    const auto flight = it->second;
    boost::system::error_code error;
    co_await flight->over.async_wait(
        boost::asio::redirect_error(boost::asio::use_awaitable, error));
    if (!flight->result) co_return Error(Errc::kCancelled, "cancelled while waiting");
    if (*flight->result) co_return PushResult::kAlreadyPresent;
    // The other's cancellation or credentials are its own affair; other failures are ours too.
    const auto code = flight->result->error().code;
    if (code != Errc::kCancelled && code != Errc::kUnauthorized && code != Errc::kDenied)
      co_return flight->result->error();
  }
  const auto flight = std::make_shared<Flight>(co_await boost::asio::this_coro::executor);
  flights_.emplace(key, flight);
  const Landing landing(*this, key, flight);
  auto result = co_await push_blob_alone(repository, blob, mount_from, access, ask_first);
  flight->result = result;
  co_return result;
}

Task<Result<PushResult>> HttpRegistryClient::push_blob_alone(
    oci::Repository repository, layer::Blob blob, std::optional<oci::Repository> mount_from,
    Access access, AskFirst ask_first) {
  const auto& digest = blob.descriptor().digest;
  const auto key = blob_key(repository, digest, access);
  if (ask_first == AskFirst::kYes) {
    const auto found =
        co_await look_for_blob(repository, digest, access, Scopes::push(repository.path));
    if (!found) co_return found.error();
    if (*found) co_return PushResult::kAlreadyPresent;
  } else if (memory_.knows(key, clock_.steady_now())) {
    co_return PushResult::kAlreadyPresent;
  }
  // What the registry lost it may also have lost where it would be mounted from.
  if (memory_.is_lost(key)) mount_from.reset();

  const auto gate = gate_of(repository.registry, access);
  const auto permit = co_await gate->enter();
  if (!permit) co_return permit.error();
  BlobUpload upload(transport_, clock_, policy_, plan_of(repository.registry, access), repository,
                    blob, access);
  auto pushed = co_await upload.run(mount_from);
  if (pushed) {
    memory_.mark_found(key);
    memory_.remember(key, clock_.steady_now());
  }
  co_return pushed;
}

Task<Result<bool>> HttpRegistryClient::mount_blob(oci::Repository repository, oci::Descriptor blob,
                                                  oci::Repository from, Access access) {
  if (from.registry != repository.registry) co_return false;
  const auto key = blob_key(repository, blob.digest, access);
  if (memory_.knows(key, clock_.steady_now())) co_return true;
  if (memory_.is_lost(key)) co_return false;
  layer::Blob named(blob, [] {
    return Result<std::unique_ptr<ByteSource>>(Error(Errc::kInternal, "a mount sends nothing"));
  });
  BlobUpload upload(transport_, clock_, policy_, plan_of(repository.registry, access), repository,
                    named, access);
  auto mounted = co_await upload.mount(from);
  co_await upload.give_up();
  if (mounted && *mounted) memory_.remember(key, clock_.steady_now());
  co_return mounted;
}

}  // namespace kiln::registry
