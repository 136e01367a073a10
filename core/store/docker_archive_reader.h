#pragma once
#include <memory>
#include <string>

#include "core/base/work_pool.h"
#include "core/store/archive_index.h"
#include "core/store/image_reader.h"

namespace kiln::store {

/// One image of a `docker save` archive: of dockerd before 25 ("ID/layer.tar", with symlinks
/// between layers) and since (an OCI layout beside manifest.json), of podman, skopeo, crane and
/// this program. manifest.json says what is in it; an archive without one is read as an OCI layout.
/// `image`: its "NAME:TAG", or "" for the only one. `name`: what ImageReader::name() answers.
///
/// Such an archive has no manifest, so one is made, an OCI one: equal archives give equal digests.
/// Plain layers are described by the config's diff_ids, which their bytes are checked against when
/// they are read; a gzip or zstd layer is read here, whole, for its digest, and what it unpacks to
/// is checked against the diff_id. The config is checked against its own name where that is a
/// digest.
///
/// Blocking: for the WorkPool. Errors: kInvalid for what is no such archive, and where several
/// images are in it and none is named, listing their names; kNotFound for a name that is not there;
/// kUnsupported for archives of Docker before 1.10; kCorrupt. Lifetime: `pool` outlives the reader
/// and its tasks.
[[nodiscard]] Result<std::unique_ptr<ImageReader>> open_docker_image(
    std::shared_ptr<const ArchiveIndex> archive, const std::string& image, std::string name,
    WorkPool& pool);

}  // namespace kiln::store
