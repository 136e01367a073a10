#include "controller/imagebuild/hook_starter.h"

#include "core/base/log.h"

namespace kiln::imagebuild {

using runtime::Priority;

std::size_t HookStarter::start(const hooks::Notice& notice) {
  std::size_t started = 0;
  for (const auto& image : notice.images) {
    const auto count =
        view_.base_changed(image.repository, image.tag, notice.visible_after, Priority::kHigh);
    if (count > 0)
      log::info("a webhook tells of a base image",
                {{"image", image.repository.str() + ":" + image.tag},
                 {"started", std::to_string(count)}});
    started += count;
  }
  return started;
}

}  // namespace kiln::imagebuild
