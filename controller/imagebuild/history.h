#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/status.h"

/// The images that an ImageBuild has pushed, as status.history keeps them: newest first, each
/// digest once.
namespace kiln::imagebuild {

using History = std::vector<api::HistoryEntry>;

/// Null when there is none. Valid until the history changes.
const api::HistoryEntry* with_digest(const History& history, std::string_view digest);
const api::HistoryEntry* with_input_key(const History& history, std::string_view input_key);

/// Puts an image that was pushed in front. One that is in front already keeps its time and its
/// reasons: it was put back, not built anew. Tags that it had before stay with it.
void remember(History& history, api::HistoryEntry entry);

/// What is kept of it: the newest image and `limit` earlier ones, and whatever of `needed` is in
/// it; but never more than a status may hold.
History shortened(const History& history, std::size_t limit,
                  const std::vector<std::string>& needed);

}  // namespace kiln::imagebuild
