#include "cli/local_content.h"

#include <algorithm>
#include <utility>

namespace kiln::cli {

Result<std::vector<LocalContent>> stand_in(api::ImageBuild& build,
                                           const std::vector<std::string>& flags) {
  std::vector<LocalContent> all;
  for (const auto& flag : flags) {
    const auto equals = flag.find('=');
    if (equals == 0 || equals == flag.npos || equals + 1 == flag.size())
      return Error(Errc::kInvalid, "--local-content \"" + flag + "\": write PATH=DIR");
    const auto path = flag.substr(0, equals);
    auto& content = build.spec.content;
    const auto at = [&](const api::Content& entry) { return entry.path == path; };
    const auto found = std::find_if(content.begin(), content.end(), at);
    if (found == content.end() || std::find_if(found + 1, content.end(), at) != content.end())
      return Error(Errc::kInvalid, "--local-content " + path + ": " +
                                       (found == content.end() ? "no" : "more than one") +
                                       " entry of spec.content has this path");
    api::Content local;
    local.path = found->path;
    local.uid = found->uid;
    local.gid = found->gid;
    local.file_mode = found->file_mode;
    local.dir_mode = found->dir_mode;
    local.inline_ = api::InlineSource();
    local.inline_->files.emplace("local-content", "");
    *found = std::move(local);
    all.push_back({static_cast<std::size_t>(found - content.begin()), flag.substr(equals + 1)});
  }
  return all;
}

}  // namespace kiln::cli
