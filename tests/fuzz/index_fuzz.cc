// An image index or manifest list, as a registry or a layout's index.json has it.
#include <string>

#include "core/oci/manifest.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  using fuzzing::require;
  const auto index = oci::Index::parse(fuzzing::text_of(data, size));
  if (!index) {
    fuzzing::require_short_line(index.error().message, 250);
    return 0;
  }
  require(index->manifests.size() <= 4096, "entries have a limit");
  const auto canonical = index->to_json();
  const auto again = oci::Index::parse(canonical);
  require(again.has_value(), "what is written can be read");
  require(again->to_json() == canonical, "the canonical form is stable");
  require(again->manifests == index->manifests && again->annotations == index->annotations &&
              again->media_type == index->media_type,
          "nothing is lost");

  for (const auto& entry : index->manifests) {
    oci::is_attestation(entry);
    if (!entry.platform) continue;
    require(entry.platform->matches(*entry.platform), "a platform serves itself");
    const auto words = entry.platform->os + entry.platform->architecture;
    const auto named = oci::Platform::parse(entry.platform->str());
    if (named && words.find('/') == std::string::npos)
      require(named->matches(*entry.platform), "an entry is found by its platform's name");
  }
  return 0;
}
