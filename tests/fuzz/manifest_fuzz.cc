// A manifest as any registry may send it. The first line is the Content-Type it came with.
#include "core/oci/manifest.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  using fuzzing::require;
  auto json = fuzzing::text_of(data, size);
  const auto content_type = fuzzing::take_part(json, '\n');

  const auto type = oci::detect_media_type(json, content_type);
  if (type)
    require(oci::media_type::is_manifest(*type) || oci::media_type::is_index(*type),
            "what is detected is known");
  else
    fuzzing::require_short_line(type.error().message, 250);

  const auto manifest = oci::Manifest::parse(json);
  if (!manifest) {
    fuzzing::require_short_line(manifest.error().message, 250);
    return 0;
  }
  require(manifest->layers.size() <= 4096, "layers have a limit");
  const auto canonical = manifest->to_json();
  const auto again = oci::Manifest::parse(canonical);
  require(again.has_value(), "what is written can be read");
  require(again->to_json() == canonical, "the canonical form is stable");
  require(again->config == manifest->config && again->layers == manifest->layers &&
              again->annotations == manifest->annotations && again->subject == manifest->subject &&
              again->media_type == manifest->media_type &&
              again->artifact_type == manifest->artifact_type,
          "nothing is lost");
  for (const auto& layer : manifest->layers) {
    const auto& layer_type = layer.media_type;
    require(oci::media_type::to_oci(oci::media_type::to_docker(layer_type)) ==
                oci::media_type::to_oci(layer_type),
            "media types go there and back");
    oci::media_type::layer_compression(layer_type);
    oci::is_attestation(layer);
  }
  return 0;
}
