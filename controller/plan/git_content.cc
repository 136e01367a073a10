#include "controller/plan/git_content.h"

namespace kiln::plan {

source::GitRef git_ref_of(const api::GitSource& git) {
  source::GitRef ref;
  if (!git.ref) return ref;
  ref.branch = git.ref->branch;
  ref.tag = git.ref->tag;
  ref.semver = git.ref->semver;
  ref.name = git.ref->name;
  ref.commit = git.ref->commit;
  return ref;
}

}  // namespace kiln::plan
