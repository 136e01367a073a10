#pragma once
#include <optional>
#include <string>

#include "tests/integration/git/git_fixture.h"
#include "tests/integration/git/traps.h"

namespace kiln::source {

/// A repository of somebody who means harm, on a real server. Whatever a test does: no program is
/// started but git's own, and nothing outside of the repository is looked at.
class HostileRepositoryTest : public GitHttpTest {
 protected:
  using Line = RepositoryMaker::Line;

  void SetUp() override {
    GitHttpTest::SetUp();
    if (!server) return;
    made.emplace(repository());
    decoys.emplace();
  }
  void TearDown() override {
    if (!decoys) return;
    EXPECT_EQ(decoys->marks(), "");
    EXPECT_FALSE(outside.was_opened());
    client.reset();
  }

  /// The root of the next commit is this tree, whatever git thinks of it.
  void commit_raw(const std::vector<Line>& lines) const {
    made->set_ref("refs/heads/main", made->commit_tree(made->raw_tree(lines)));
  }
  Line file(const std::string& name, const std::string& bytes = "x") const {
    return {"100644", "blob", made->blob(bytes), name};
  }
  Line folder(const std::string& name, const std::vector<Line>& lines) const {
    return {"40000", "tree", made->raw_tree(lines), name};
  }
  Line link(const std::string& name, const std::string& target) const {
    return {"120000", "blob", made->blob(target), name};
  }
  Result<Content> fetch_all() {
    auto wanted = request();
    wanted.submodules = true;
    return fetch(wanted);
  }

  ForbiddenFile outside;
  std::optional<RepositoryMaker> made;
  std::optional<DecoyPrograms> decoys;
};

}  // namespace kiln::source
