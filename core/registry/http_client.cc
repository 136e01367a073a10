#include "core/registry/http_client.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/base/sha256.h"
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

/// Reads a blob's stream into `sink`, no byte more than its size, and compares the digest.
/// Lifetime: all references outlive the task.
Task<Result<void>> copy_verified(
    http::ResponseStream& stream,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    oci::Descriptor blob, std::string subject,
    ByteSink& sink) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  std::vector<char> block(64 * 1024);
  Sha256 hash;
  std::uint64_t total = 0;
  for (;;) {
    const auto got = co_await stream.read(block);
    if (!got) co_return got.error().while_doing(subject);
    if (*got == 0) break;
    total += *got;
    if (total > blob.size_bytes)
      co_return Error(Errc::kCorrupt, subject + " is larger than the " +
                                          std::to_string(blob.size_bytes) +
                                          " bytes it should have");
    const std::string_view bytes(block.data(), *got);
    hash.update(bytes);
    KILN_CO_TRY(sink.write(bytes));
  }
  if (total != blob.size_bytes)
    co_return Error(Errc::kCorrupt, subject + " has " + std::to_string(total) +
                                        " bytes instead of " + std::to_string(blob.size_bytes));
  if (hash.finish_hex() != blob.digest.hex())
    co_return Error(Errc::kCorrupt, subject + ": the bytes do not match the digest");
  co_return Result<void>();
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
    : clock_(clock), policy_(policy), transport_(http, clock, std::move(policy)) {}

HttpRegistryClient::~HttpRegistryClient() = default;

std::shared_ptr<Gate> HttpRegistryClient::gate_of(const std::string& registry) {
  auto& gate = gates_[registry];
  if (!gate) gate = std::make_shared<Gate>(kTransfersPerRegistry);
  return gate;
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
  const auto identifier = tag.empty() ? manifest.digest.str() : tag;
  const auto subject = repository.str() + (tag.empty() ? "@" : ":") + identifier;
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
  co_return Result<void>();
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
  if (status == 405) error.code = Errc::kUnsupported;
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

Task<Result<std::unique_ptr<http::ResponseStream>>> HttpRegistryClient::open_blob(
    oci::Repository repository, oci::Descriptor blob, Access access) {
  Call get(repository, access, Scopes::pull(repository.path), "GET",
           protocol::blob_path(repository, blob.digest));
  get.max_redirects = kMaxRedirects;
  auto answer = co_await transport_.open(std::move(get));
  if (!answer) co_return answer.error();
  if (!answer->stream)
    co_return protocol::error_from(answer->response, subject_of(repository, blob.digest),
                                   clock_.now());
  co_return std::move(answer->stream);
}

Task<Result<void>> HttpRegistryClient::fetch_blob_into(oci::Repository repository,
                                                       oci::Descriptor blob, Access access,
                                                       ByteSink& sink) {
  const auto gate = gate_of(repository.registry);
  const auto permit = co_await gate->enter();
  if (!permit) co_return permit.error();
  auto stream = co_await open_blob(repository, blob, access);
  if (!stream) co_return stream.error();
  co_return co_await copy_verified(**stream, blob, subject_of(repository, blob.digest), sink);
}

Task<Result<std::string>> HttpRegistryClient::fetch_blob(oci::Repository repository,
                                                         oci::Descriptor blob, Access access) {
  const auto subject = subject_of(repository, blob.digest);
  if (blob.size_bytes > kMaxSmallBlob)
    co_return Error(Errc::kInvalid, subject + " is larger than 8 MiB");
  const auto gate = gate_of(repository.registry);
  const auto permit = co_await gate->enter();
  if (!permit) co_return permit.error();
  // open_blob() retries by itself; only a body that was cut is fetched again, once.
  for (int last_try = 0;; ++last_try) {
    auto stream = co_await open_blob(repository, blob, access);
    if (!stream) co_return stream.error();
    StringSink sink(kMaxSmallBlob);
    const auto copied = co_await copy_verified(**stream, blob, subject, sink);
    if (copied) co_return sink.take();
    if (last_try == 1 || !http::is_retried_error(copied.error().code)) co_return copied.error();
  }
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
  auto result = co_await ensure_blob_alone(repository, blob, mount_from, access);
  flight->result = result;
  co_return result;
}

Task<Result<PushResult>> HttpRegistryClient::ensure_blob_alone(
    oci::Repository repository, layer::Blob blob, std::optional<oci::Repository> mount_from,
    Access access) {
  const auto& digest = blob.descriptor().digest;
  const auto key = blob_key(repository, digest, access);
  const auto found =
      co_await look_for_blob(repository, digest, access, Scopes::push(repository.path));
  if (!found) co_return found.error();
  if (*found) co_return PushResult::kAlreadyPresent;
  // What the registry lost it may also have lost where it would be mounted from.
  if (memory_.is_lost(key)) mount_from.reset();

  const auto gate = gate_of(repository.registry);
  const auto permit = co_await gate->enter();
  if (!permit) co_return permit.error();
  BlobUpload upload(transport_, clock_, policy_, repository, blob, access);
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
  BlobUpload upload(transport_, clock_, policy_, repository, named, access);
  auto mounted = co_await upload.mount(from);
  co_await upload.give_up();
  if (mounted && *mounted) memory_.remember(key, clock_.steady_now());
  co_return mounted;
}

}  // namespace kiln::registry
