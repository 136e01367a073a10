#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/store/destination.h"
#include "core/store/image_reader.h"

namespace kiln::store {

/// An archive of `docker save` as a destination: one image of one platform, for `docker load`,
/// podman and skopeo. A "tag" here is a whole "NAME:TAG"; "" = an image without a name. Layers stay
/// plain or gzip, as they are; zstd is unpacked, as dockerd before 23 does not know it.
///
/// The file is written when the manifest is stored, as that of open_oci_archive(): aside, synced,
/// renamed; equal images under equal names give equal bytes. Another name writes it anew, with
/// both.
///
/// Errors: see archive_path(); kUnsupported for an index, an artifact and a layer that must not be
/// distributed; kCorrupt where image and blobs do not fit together; kNoSpace, kDenied.
/// Threads: the I/O executor; the file is written on the pool. `spool_dir`: for unpacked layers;
/// "" = $TMPDIR or /tmp. Lifetime: `pool` outlives it.
[[nodiscard]] Result<std::unique_ptr<Destination>> open_docker_archive(std::filesystem::path file,
                                                                       std::string spool_dir,
                                                                       WorkPool& pool);

/// One image of such an archive (plain, gzip or zstd), whoever wrote it: "NAME:TAG", or "" for the
/// only one. It gets an OCI manifest; equal archives give equal digests. `name`: what
/// ImageReader::name() answers. `spool_dir`: for a compressed archive; "" = $TMPDIR or /tmp.
///
/// Errors: kInvalid for what is no such archive, and where several images are in it and none is
/// named, listing them; kNotFound, listing them too; kUnsupported for an archive of Docker before
/// 1.10; kCorrupt; those of layer::TarReader. Lifetime: `pool` outlives the task, the reader and
/// its tasks.
[[nodiscard]] Task<Result<std::unique_ptr<ImageReader>>> read_docker_archive(
    std::filesystem::path file, std::string image, std::string name, std::string spool_dir,
    WorkPool& pool);

}  // namespace kiln::store
