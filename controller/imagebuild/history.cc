#include "controller/imagebuild/history.h"

#include <algorithm>

namespace kiln::imagebuild {
namespace {

constexpr std::size_t kMost = 101;  // As the schema has it.

}  // namespace

const api::HistoryEntry* with_digest(const History& history, std::string_view digest) {
  const auto found = std::find_if(history.begin(), history.end(),
                                  [&](const auto& entry) { return entry.digest == digest; });
  return found == history.end() ? nullptr : &*found;
}

const api::HistoryEntry* with_input_key(const History& history, std::string_view input_key) {
  const auto found = std::find_if(history.begin(), history.end(),
                                  [&](const auto& entry) { return entry.input_key == input_key; });
  return found == history.end() ? nullptr : &*found;
}

void remember(History& history, api::HistoryEntry entry) {
  if (const auto* before = with_digest(history, entry.digest)) {
    auto tags = before->tags;
    for (const auto& tag : entry.tags)
      if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
    entry.tags = std::move(tags);
  }
  if (!history.empty() && history.front().digest == entry.digest) {
    history.front().input_key = entry.input_key;
    history.front().tags = entry.tags;
    return;
  }
  std::erase_if(history, [&](const auto& other) { return other.digest == entry.digest; });
  history.insert(history.begin(), std::move(entry));
}

History shortened(const History& history, std::size_t limit,
                  const std::vector<std::string>& needed) {
  const auto is_needed = [&](const api::HistoryEntry& entry) {
    return std::find(needed.begin(), needed.end(), entry.digest) != needed.end();
  };
  History kept;
  for (std::size_t i = 0; i < history.size(); ++i)
    if (i <= limit || is_needed(history[i])) kept.push_back(history[i]);
  for (auto i = kept.size(); i-- > 0 && kept.size() > kMost;)
    if (!is_needed(kept[i])) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(i));
  return kept;
}

}  // namespace kiln::imagebuild
