#include "core/store/docker_daemon.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <span>
#include <utility>
#include <vector>

#include "core/base/file.h"
#include "core/base/redact.h"
#include "core/store/docker_api.h"
#include "core/store/docker_archive_reader.h"
#include "core/store/docker_archive_writer.h"
#include "core/store/held_blobs.h"

namespace kiln::store {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kMaxImageBytes = 256ULL << 30;
constexpr const char* kHint = "$DOCKER_HOST names another socket, as unix:///path";

/// Why nobody answers on `socket`, in the user's words.
Error explained(Error error, const std::filesystem::path& socket) {
  if (error.code != Errc::kUnavailable) return error;
  if (::access(socket.c_str(), R_OK | W_OK) == 0)
    return {Errc::kUnavailable, error.message + "; is the Docker daemon running?"};
  if (errno == EACCES)
    return {Errc::kDenied, "no permission to use the Docker daemon's socket " + socket.string() +
                               ": root and its group (docker) may use it; " + kHint};
  if (errno == ENOENT || errno == ENOTDIR)
    return {Errc::kUnavailable,
            "there is no socket " + socket.string() + "; is the Docker daemon running? " + kHint};
  return error;
}

/// Asks whether somebody is there, and what the paths of the API begin with.
Task<Result<std::string>> ping(DockerConnection docker) {
  http::Request request("GET", docker_url("/_ping"));
  request.timeouts.response = seconds(10);
  auto response = co_await docker.client->send(std::move(request));
  if (!response) co_return explained(std::move(response).error(), docker.socket);
  if (response->status() != 200) co_return api_error(*response);
  co_return api_prefix(response->headers());
}

/// The daemon unpacks or packs a whole image before it says a word.
http::Timeouts patient() {
  http::Timeouts timeouts;
  timeouts.response = minutes(30);
  timeouts.idle = minutes(5);
  return timeouts;
}

class DockerDaemon final : public Destination {
 public:
  DockerDaemon(DockerConnection docker, std::string spool_dir, WorkPool& pool)
      : docker_(std::move(docker)), spool_dir_(std::move(spool_dir)), pool_(pool) {}

  std::string name() const override { return "docker-daemon"; }
  bool holds_indexes() const override { return false; }

  Task<Result<bool>> link_blob(oci::Descriptor blob, std::optional<oci::Repository>) override {
    co_return blobs_.has(blob.digest);
  }

  Task<Result<StoreResult>> put_blob(layer::Blob blob) override {
    co_return blobs_.put(std::move(blob));
  }

  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override {
    auto prefix = co_await ping(docker_);  // Before anything is unpacked in vain.
    if (!prefix) co_return std::move(prefix).error();
    std::vector<std::string> names;
    if (!tag.empty()) names.push_back(std::move(tag));
    auto work = [manifest, blobs = blobs_, names, spool_dir = spool_dir_] {
      return docker_archive_of(manifest, blobs, names, spool_dir);
    };
    auto archive = co_await pool_.run(std::move(work));
    if (!archive) co_return std::move(archive).error();
    co_return co_await load(*prefix + "/images/load", std::move(*archive));
  }

 private:
  Task<Result<void>> load(std::string path, BlobArchive archive) {
    const auto size = archive.size_bytes();
    // quiet: no progress, so that nothing but the outcome comes back.
    http::Request request("POST", docker_url(path).with_query("quiet", "1"));
    request.headers.set("Content-Type", "application/x-tar");
    request.body = http::Body(size, [archive = std::move(archive)] {
      return Result<std::unique_ptr<ByteSource>>(archive.open());
    });
    request.timeouts = patient();
    auto response = co_await docker_.client->send(std::move(request));
    if (!response) co_return explained(std::move(response).error(), docker_.socket);
    if (response->status() != 200) co_return api_error(*response);
    if (auto error = load_error(response->body)) co_return std::move(*error);
    co_return Result<void>();
  }

  DockerConnection docker_;
  std::string spool_dir_;
  WorkPool& pool_;
  HeldBlobs blobs_;
};

/// Reads what is left of `stream` into `sink`.
Task<Result<void>> spool(http::ResponseStream& stream, ByteSink& sink) {  // NOLINT: see caller
  std::vector<char> block(256 * 1024);
  for (std::uint64_t done = 0;;) {
    auto count = co_await stream.read(block);
    if (!count) co_return std::move(count).error();
    if (*count == 0) co_return Result<void>();
    done += *count;
    if (done > kMaxImageBytes)
      co_return Error(Errc::kInvalid, "the Docker daemon gives more than the allowed " +
                                          std::to_string(kMaxImageBytes) + " bytes");
    KILN_CO_TRY(sink.write(std::string_view(block.data(), *count)));
  }
}

/// The answer that is no image.
Task<Result<void>> refusal(http::ResponseStream& stream,  // NOLINT: as spool()
                           std::string image) {
  StringSink body(64 * 1024);
  auto read = co_await spool(stream, body);
  if (!read) co_return std::move(read).error();
  if (stream.head().status == 404)
    co_return Error(Errc::kNotFound, "the Docker daemon has no image " + image +
                                         "; `docker images` lists those there are");
  co_return api_error(http::Response(stream.head(), body.take()));
}

}  // namespace

Result<std::filesystem::path> docker_socket(std::string_view docker_host) {
  constexpr std::string_view kUnix = "unix://";
  if (docker_host.empty()) return std::filesystem::path("/var/run/docker.sock");
  if (docker_host.starts_with(kUnix) && docker_host.size() > kUnix.size())
    return std::filesystem::path(docker_host.substr(kUnix.size()));
  const auto scheme = docker_host.substr(0, docker_host.find("://"));
  return Error(Errc::kUnsupported,
               "DOCKER_HOST is no unix:///path but \"" + sanitize_server_text(scheme, 32) +
                   "://…\"; only a daemon on this machine is spoken to. Use docker-archive:FILE "
                   "with `docker load` or `docker save` there");
}

std::unique_ptr<Destination> docker_daemon(DockerConnection docker, std::string spool_dir,
                                           WorkPool& pool) {
  return std::make_unique<DockerDaemon>(std::move(docker), std::move(spool_dir), pool);
}

Task<Result<std::unique_ptr<ImageReader>>> read_docker_daemon(
    DockerConnection docker, std::string image, std::string name, std::string spool_dir,
    WorkPool& pool) {  // NOLINT: see Lifetime
  using Opened = Result<std::unique_ptr<ImageReader>>;
  auto prefix = co_await ping(docker);
  if (!prefix) co_return std::move(prefix).error();
  http::Request request("GET", docker_url(*prefix + "/images/" + image + "/get"));
  request.timeouts = patient();
  auto stream = co_await docker.client->open(std::move(request));
  if (!stream) co_return explained(std::move(stream).error(), docker.socket);
  if ((*stream)->head().status != 200) {
    auto refused = co_await refusal(**stream, image);
    co_return std::move(refused).error();
  }
  auto file = nameless_file(spool_dir);
  if (!file) co_return std::move(file).error();
  FdSink sink(file->get());
  auto spooled = co_await spool(**stream, sink);
  if (!spooled) co_return std::move(spooled).error();

  const auto fd = std::make_shared<UniqueFd>(std::move(*file));  // As a copyable lambda needs it.
  auto work = [fd, image, name, spool_dir, &pool]() -> Opened {
    auto index = ArchiveIndex::of(std::move(*fd), "the Docker daemon's archive", spool_dir);
    if (!index) return std::move(index).error();
    return open_docker_image(std::move(*index), "", name, pool);
  };
  co_return co_await pool.run(std::move(work));
}

}  // namespace kiln::store
