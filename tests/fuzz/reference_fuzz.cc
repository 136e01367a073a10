// The name of an image, a tag, a digest, a platform: typed by people, copied from files of others.
#include <string>

#include "core/oci/platform.h"
#include "core/oci/reference.h"
#include "core/registry/protocol/endpoint.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln {
namespace {

using fuzzing::require;

void check_repository(const oci::Repository& repository) {
  require(fuzzing::is_printable_ascii(repository.str()), "a repository is printable");
  require(repository.str().size() <= 255, "a repository is not too long");
  require(("/" + repository.path + "/").find("/../") == std::string::npos, "no part is ..");
  const auto same = oci::Reference::parse_repository(repository.str());
  require(same && *same == repository, "a repository reads back as itself");

  const auto endpoints = registry::protocol::endpoints_of(repository.registry, nullptr, false);
  if (!endpoints) return fuzzing::require_short_line(endpoints.error().message, 400);
  require(endpoints->size() == 1, "one way to speak to a registry");
}

void check_reference(std::string_view text) {
  const auto reference = oci::Reference::parse(text);
  if (!reference) return fuzzing::require_short_line(reference.error().message, 600);

  const auto same = oci::Reference::parse(reference->str());
  require(same && *same == *reference, "a reference reads back as itself");
  require(same->str() == reference->str(), "the full form is one form");
  check_repository(reference->repository());
  const auto path =
      registry::protocol::manifest_path(reference->repository(), reference->identifier());
  require(fuzzing::is_printable_ascii(path), "a request line is printable");
  require(path.find_first_of("?# ") == std::string::npos, "a path is only a path");
}

void check_platform(std::string_view text) {
  const auto platform = oci::Platform::parse(text);
  if (!platform) return fuzzing::require_short_line(platform.error().message, 200);
  require(platform->str() == text, "a platform is written as it was read");
  require(platform->matches(*platform), "a platform serves itself");
}

}  // namespace
}  // namespace kiln

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const auto text = fuzzing::text_of(data, size);
  check_reference(text);
  check_platform(text);
  if (const auto repository = oci::Reference::parse_repository(text))
    check_repository(*repository);
  else
    fuzzing::require_short_line(repository.error().message, 600);
  if (const auto tag = oci::Reference::parse_tag(text))
    require(*tag == text && tag->size() <= 128, "a tag is what was written");
  else
    fuzzing::require_short_line(tag.error().message, 300);
  if (const auto digest = oci::Digest::parse(text))
    require(digest->str() == text, "a digest is written as it was read");
  oci::is_loopback_registry(text);
  return 0;
}
