#pragma once
#include <memory>

#include "core/build/base_cache.h"
#include "core/oci/reference.h"
#include "core/registry/client.h"
#include "core/store/image_reader.h"

namespace kiln::build {

/// An image in a registry. A tag is resolved once, by HEAD (which costs no pull on Docker Hub);
/// from then on the reader stays with that digest. `max_age`: how old an answer to that will do.
/// Manifests and configs come from `cache` where it has them. Lifetime: `cache` and `registry`
/// outlive the reader and its tasks.
std::unique_ptr<store::ImageReader> registry_reader(
    BaseCache& cache, registry::Client& registry, oci::Reference reference, registry::Access access,
    std::string spool_dir, std::chrono::milliseconds max_age = std::chrono::milliseconds(0));

/// Downloads a blob into a nameless file in `spool_dir` ("" = $TMPDIR or /tmp), verified. Errors:
/// those of the registry and the disk. Lifetime: `registry` outlives the task.
[[nodiscard]] Task<Result<layer::Blob>> fetch_blob(registry::Client& registry,
                                                   oci::Repository repository, oci::Descriptor blob,
                                                   registry::Access access, std::string spool_dir);

}  // namespace kiln::build
