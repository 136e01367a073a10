// The manifest.json of a `docker save` archive, and the choice of one of its images.
#include <string>

#include "core/store/docker_manifest.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  using fuzzing::require;
  const auto images = store::parse_docker_manifest(fuzzing::text_of(data, size));
  if (!images) {
    fuzzing::require_short_line(images.error().message, 250);
    return 0;
  }
  require(images->size() <= 4096, "images have a limit");
  for (const auto& image : *images) {
    require(!image.config.empty(), "an image has a config");
    require(image.layers.size() <= 4096 && image.names.size() <= 4096, "lists have a limit");
  }

  const auto only = store::choose_docker_image(*images, "");
  require(only.has_value() == (images->size() == 1), "one image needs no name");
  if (!only) fuzzing::require_short_line(only.error().message, 1024);
  const auto absent = store::choose_docker_image(*images, "fuzz.invalid/nobody:none");
  if (!absent) fuzzing::require_short_line(absent.error().message, 1024);
  for (const auto& image : *images)
    for (const auto& name : image.names) {
      if (name.empty()) continue;
      const auto chosen = store::choose_docker_image(*images, name);
      require(chosen.has_value() || chosen.error().code == Errc::kInvalid,
              "a name that is there is found, or is there twice");
    }
  return 0;
}
