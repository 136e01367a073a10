#pragma once
#include <string>
#include <vector>

#include "core/oci/manifest.h"
#include "core/store/blob_archive.h"
#include "core/store/held_blobs.h"

namespace kiln::store {

/// What `docker load` takes: manifest.json, "<digest>.json" and the layers as "<digest>.tar" or
/// ".tar.gz", of the one image that `manifest` describes. `names`: its RepoTags, "NAME:TAG".
///
/// Layers stay as they are, plain or gzip: dockerd 20.10, podman 4.3 and skopeo 1.9 take both
/// (tried with each), so nothing is unpacked in vain and the layers keep their digests. zstd is
/// unpacked: dockerd reads it from 23 on only. There is no OCI layout beside manifest.json: every
/// reader takes manifest.json, and two descriptions of one image could differ.
///
/// Unpacks into nameless files in `spool_dir`. Blocking: for the WorkPool. Errors: kUnsupported for
/// an index, an artifact, or a layer that must not be distributed; kCorrupt where config and layers
/// do not fit together; kInternal for a blob that was not put; those of the blobs and the disk.
[[nodiscard]] Result<BlobArchive> docker_archive_of(const oci::RawManifest& manifest,
                                                    const HeldBlobs& blobs,
                                                    const std::vector<std::string>& names,
                                                    const std::string& spool_dir);

}  // namespace kiln::store
