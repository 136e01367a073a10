#include "controller/imagebuild/hook_starter.h"

#include <map>

#include "core/base/log.h"
#include "core/base/redact.h"
#include "core/source/git_url.h"

namespace kiln::imagebuild {

using runtime::Priority;

std::size_t HookStarter::start_git(const hooks::GitPush& push) {
  std::map<std::string, std::string_view> repositories;  // With the way that was named first.
  for (const auto& url : push.urls)
    if (auto name = source::repository_name_of(url); !name.empty())
      repositories.emplace(std::move(name), url);
  std::size_t started = 0;
  for (const auto& [repository, url] : repositories) {
    const auto count = view_.git_changed(repository, push.refs, Priority::kHigh);
    if (count > 0)
      log::info("a webhook tells of a git repository",
                {{"repository", redact_url(url)}, {"started", std::to_string(count)}});
    started += count;
  }
  return started;
}

std::size_t HookStarter::start(const hooks::Notice& notice) {
  std::size_t started = 0;
  for (const auto& push : notice.pushes) started += start_git(push);
  for (const auto& image : notice.images) {
    // Of a thousand none is in the way of somebody who has edited one.
    const auto count =
        view_.image_changed(image.repository, image.tag, notice.visible_after, Priority::kNormal);
    if (count > 0)
      log::info("a webhook tells of an image", {{"image", image.repository.str() + ":" + image.tag},
                                                {"started", std::to_string(count)}});
    started += count;
  }
  return started;
}

}  // namespace kiln::imagebuild
