#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/store/destination.h"
#include "core/store/image_reader.h"
#include "core/store/layout_choice.h"

namespace kiln::store {

/// What the file "oci-layout" holds.
inline constexpr const char* kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";

/// An OCI image layout folder as a destination; made when it does not exist.
/// Source: image-spec v1.1, image-layout.md. A tag becomes the "org.opencontainers.image.ref.name"
/// annotation of an entry of index.json, replacing the entry that had it; a manifest stored without
/// a tag is a blob alone (an index's child). Blobs are written aside, synced and renamed: a crash
/// leaves no broken blob. Errors: kInvalid for a folder that holds something else or whose blobs
/// are behind a symlink, kNoSpace, kDenied, and kCorrupt for a blob that is not what its digest
/// says. Threads: the I/O executor; files are written on the pool. Two processes may write one
/// layout at once. Lifetime: `pool` outlives it.
[[nodiscard]] Result<std::unique_ptr<Destination>> open_oci_layout(std::filesystem::path directory,
                                                                   WorkPool& pool);

/// An image in such a folder. `name`: what ImageReader::name() answers. Layers are opened where
/// they are; nothing outside of the folder is read, whatever symlinks it holds.
///
/// Errors: kInvalid for what is no layout, and where `choice` fits several images, naming those
/// there are; kNotFound where it fits none, or there is no folder; kUnsupported for another version
/// of the layout and where the kernel has no openat2; kCorrupt. Lifetime: `pool` outlives the task,
/// the reader and its tasks.
[[nodiscard]] Task<Result<std::unique_ptr<ImageReader>>> read_oci_layout(
    std::filesystem::path directory, LayoutChoice choice, std::string name, WorkPool& pool);

}  // namespace kiln::store
