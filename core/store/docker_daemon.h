#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/http/client.h"
#include "core/store/destination.h"
#include "core/store/image_reader.h"

namespace kiln::store {

/// The socket of the daemon that `docker_host` names, the value of $DOCKER_HOST: "unix:///path", or
/// "" for /var/run/docker.sock. Errors: kUnsupported for another kind of address: use an archive
/// and `docker load` or `docker save` there.
[[nodiscard]] Result<std::filesystem::path> docker_socket(std::string_view docker_host);

/// How to reach a Docker daemon, or podman's service that imitates it.
struct DockerConnection {
  std::shared_ptr<http::Client> client;  ///< Made for the socket. Shared: tasks may outlive a call.
  std::filesystem::path socket;          ///< For messages.

  DockerConnection(std::shared_ptr<http::Client> c, std::filesystem::path s)
      : client(std::move(c)), socket(std::move(s)) {}
};

/// The local Docker daemon as a destination: one image of one platform, with a name. Source: Docker
/// Engine API, "Import images" (POST /images/load). A "tag" here is a whole "NAME:TAG".
///
/// What open_docker_archive() would write is streamed to the daemon when the manifest is stored; no
/// archive is written on the way. The daemon takes an image as a whole, or nothing of it.
///
/// Errors: kUnavailable where no daemon answers, kDenied without the right to use its socket,
/// kInvalid and kNoSpace for what the daemon says of the image, kTimeout after 30 minutes of
/// silence; those of open_docker_archive(). Threads: the I/O executor; the daemon is fed on it.
/// `spool_dir`: for zstd layers; "" = $TMPDIR or /tmp. Lifetime: `pool` outlives it.
std::unique_ptr<Destination> docker_daemon(DockerConnection docker, std::string spool_dir,
                                           WorkPool& pool);

/// An image of the daemon's, by "NAME:TAG". Source: Docker Engine API, "Export an image" (GET
/// /images/NAME/get). The daemon gives it as a whole: it is spooled to a nameless file in
/// `spool_dir` ("" = $TMPDIR or /tmp) and read as read_docker_archive() does. `name`: what
/// ImageReader::name() answers.
///
/// Errors: kNotFound (no such image), kInvalid for more than 256 GiB, and as above. Lifetime:
/// `pool` outlives the task, the reader and its tasks.
[[nodiscard]] Task<Result<std::unique_ptr<ImageReader>>> read_docker_daemon(DockerConnection docker,
                                                                            std::string image,
                                                                            std::string name,
                                                                            std::string spool_dir,
                                                                            WorkPool& pool);

}  // namespace kiln::store
