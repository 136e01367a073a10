#pragma once
#include <optional>
#include <string>

#include "core/build/layer_draft.h"
#include "core/build/request.h"
#include "core/layer/layer_index.h"
#include "core/source/source.h"

namespace kiln::build {

/// The layers that place_content() and cut_into_layers() would make of content that is a list, for
/// those who have nothing else in the tree: without making that tree, which for 50,000 files takes
/// longer than finding out what their layers are. Each layer is looked at, and its own tree put
/// together, when somebody wants that; the tree is the same then.
///
/// nullopt where it takes the whole tree to tell: when the content is no list or has hard links,
/// and when `below` (what lies below) has anything where it goes.
///
/// `index`: of the content in the request. `line`: of the image's history.
/// Errors: none here; those of place_content() come from the trees.
std::optional<LayerDrafts> listed_layers(const BuildRequest& request, std::size_t index,
                                         const source::Content& content,
                                         const layer::BaseTree& below, const std::string& line);

}  // namespace kiln::build
