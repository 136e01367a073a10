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

/// A tar of an OCI layout as a destination. Source: image-spec v1.1, image-layout.md.
///
/// The file is written when a manifest is stored under a tag, with all that was put before; each
/// further tag writes it anew with the tags so far. Equal images under equal tags give equal bytes,
/// see BlobArchive. It is written aside, synced and renamed: a crash leaves the file that was
/// there. What was in that file is not kept: an archive holds what one command put into it.
///
/// Errors: see archive_path(); kNoSpace, kDenied, and kCorrupt for a blob that is not what its
/// digest says. Threads: the I/O executor; the file is written on the pool. Lifetime: `pool`
/// outlives it.
[[nodiscard]] Result<std::unique_ptr<Destination>> open_oci_archive(std::filesystem::path file,
                                                                    WorkPool& pool);

/// An image in such a tar (plain, gzip or zstd). `name`: what ImageReader::name() answers.
/// `spool_dir`: for a compressed tar; "" = $TMPDIR or /tmp.
/// Errors: as read_oci_layout(); those of layer::TarReader. Lifetime: `pool` outlives the
/// task, the reader and its tasks.
[[nodiscard]] Task<Result<std::unique_ptr<ImageReader>>> read_oci_archive(
    std::filesystem::path file, LayoutChoice choice, std::string name, std::string spool_dir,
    WorkPool& pool);

}  // namespace kiln::store
