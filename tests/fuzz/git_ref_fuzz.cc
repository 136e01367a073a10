// Which revision is wanted, and what a server says its refs are. The first line is what somebody
// has written under a key of ref: its first byte says which; the rest is what git ls-remote wrote.
#include <string>

#include "core/source/git_ref.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::source {
namespace {

using fuzzing::require;

constexpr std::size_t kErrorBytes = 600;

GitRef ref_of(std::string_view line) {
  GitRef ref;
  if (line.empty()) return ref;
  const std::string value(line.substr(1));
  switch (line[0]) {
    case 'b':
      ref.branch = value;
      break;
    case 't':
      ref.tag = value;
      break;
    case 's':
      ref.semver = value;
      break;
    case 'n':
      ref.name = value;
      break;
    default:
      ref.commit = value;
  }
  return ref;
}

/// What is accepted is handed to git as a word of its command line.
void require_plain(const GitRef& ref) {
  for (const auto* name : {&ref.branch, &ref.tag, &ref.name}) {
    require(name->size() <= 255, "a name has a limit");
    require(!name->starts_with('-'), "a name is no option");
    require(name->find_first_of(" ~^:?*[\\\n\x7f") == std::string::npos, "a name is no pattern");
    require(name->find("..") == std::string::npos, "a name does not go up");
  }
  require(ref.name.empty() || ref.name.starts_with("refs/"), "a full name is full");
  require(ref.commit.empty() || is_object_id(ref.commit), "a commit is an id");
}

void require_sound(const GitRevision& revision, const GitRef& wanted, std::string_view listed) {
  require(is_object_id(revision.commit), "a revision is an id");
  require(revision.str().ends_with(object_digest(revision.commit)), "and says so");
  if (!wanted.commit.empty()) return require(revision.commit == wanted.commit, "of what was asked");
  require(listed.find(revision.commit) != listed.npos, "which the server named");
  require(revision.branch.empty() || revision.tag.empty(), "a branch is no tag");
  // The server's own words: those of a person have been checked as a name.
  if (wanted.name.empty() && wanted.tag.empty() && wanted.branch.empty())
    require(!fuzzing::has_control(revision.str()), "what is shown has no control characters");
}

}  // namespace
}  // namespace kiln::source

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  auto rest = fuzzing::text_of(data, size);
  const auto ref = source::ref_of(fuzzing::take_part(rest, '\n'));
  if (const auto good = source::check_git_ref(ref); !good) {
    fuzzing::require_short_line(good.error().message, source::kErrorBytes);
    return 0;
  }
  source::require_plain(ref);
  const auto found = source::RemoteRefs::parse(rest).find(ref);
  if (found)
    source::require_sound(*found, ref, rest);
  else
    fuzzing::require_short_line(found.error().message, source::kErrorBytes);
  return 0;
}
