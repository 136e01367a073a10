#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "core/base/work_pool.h"
#include "core/store/destination.h"

namespace kiln::store {

/// An OCI image layout folder as a destination; made when it does not exist.
/// Source: image-spec v1.1, image-layout.md. A tag becomes the "org.opencontainers.image.ref.name"
/// annotation of an entry of index.json, replacing the entry that had it; a manifest stored without
/// a tag is a blob alone (an index's child). Blobs are written aside, synced and renamed: a crash
/// leaves no broken blob. Errors: kInvalid for a folder that holds something else, kNoSpace,
/// kDenied. Threads: the I/O executor; files are written on the pool. Two processes may write one
/// layout at once. Lifetime: `pool` outlives it.
[[nodiscard]] Result<std::unique_ptr<Destination>> open_oci_layout(std::filesystem::path directory,
                                                                   WorkPool& pool);

}  // namespace kiln::store
