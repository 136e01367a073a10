// What stands in a repository in the place of a file of Git LFS: its id becomes the name of a file
// in the cache.
#include "core/source/git_lfs.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const auto text = fuzzing::text_of(data, size);
  const auto pointer = source::parse_lfs_pointer(text);
  if (!pointer) {
    fuzzing::require_short_line(pointer.error().message, 200);
    return 0;
  }
  fuzzing::require(pointer->has_value() || !text.starts_with("version https://git-lfs.github.com/"
                                                             "spec/v1\n"),
                   "whatever begins as a pointer is one, or wrong");
  if (!*pointer) return 0;
  const auto& id = (*pointer)->id;
  fuzzing::require(id.size() == 64, "an id has 64 digits");
  fuzzing::require(id.find_first_not_of("0123456789abcdef") == id.npos, "and nothing else");
  fuzzing::require(text.find("sha256:" + id) != text.npos, "and is the one that was written");
  return 0;
}
