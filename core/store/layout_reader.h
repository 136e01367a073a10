#pragma once
#include <memory>
#include <string>

#include "core/base/work_pool.h"
#include "core/store/image_reader.h"
#include "core/store/layout_choice.h"
#include "core/store/layout_files.h"

namespace kiln::store {

/// An image in an OCI layout, whose files are anywhere. Source: image-spec v1.1, image-layout.md.
/// `name`: what ImageReader::name() answers. Blobs are found by digest alone and checked while they
/// are read. Blocking: for the WorkPool.
///
/// Errors: kInvalid for what is no layout, and where `choice` fits several images, naming those
/// there are; kNotFound where it fits none; kUnsupported for another version of the layout;
/// kCorrupt for an index.json that is none. Lifetime: `pool` outlives the reader and its tasks.
[[nodiscard]] Result<std::unique_ptr<ImageReader>> open_layout_image(
    std::shared_ptr<const LayoutFiles> files, const LayoutChoice& choice, std::string name,
    WorkPool& pool);

}  // namespace kiln::store
