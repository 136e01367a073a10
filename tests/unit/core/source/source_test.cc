#include "core/source/source.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/core/layer/support.h"

namespace kiln::source {
namespace {

using namespace layer::testing_support;

layer::Entry plain() {
  auto entry = file("a/f", "x");
  entry.identity = "sha256:1";
  return entry;
}

template <class Change>
std::string identity_with(Change change) {
  auto entry = plain();
  change(entry);
  return identity_of(tree_of({std::move(entry)}));
}

TEST(IdentityOf, EqualTreesIsEqual) {
  EXPECT_EQ(identity_of(tree_of({plain(), directory("a")})),
            identity_of(tree_of({directory("a"), plain()})));
}

TEST(IdentityOf, IsWhatItAlwaysWas) {
  // Input keys of running installations are made of it: another value rebuilds all their images.
  EXPECT_EQ(identity_of(tree_of({plain()})),
            "sha256:9e5c623893d3a613c18925305b3a81dc9804327936770c1284afb495ec84b7b5");
}

TEST(IdentityOf, IsWhatItAlwaysWasOfRareThings) {
  auto rare = file("a/file", "");
  rare.identity = "sha256:12";
  rare.uid = 101;
  rare.gid = 4294967295;
  rare.mtime = -5;
  rare.xattrs = {{"user.note", ""}, {"security.capability", "c"}};
  EXPECT_EQ(identity_of(tree_of({directory("a"), rare, symlink_to("a/link", "file")})),
            "sha256:b8e91f3ffbf15c2c345c75de61bf658d53b9343438d2c40e2045e0c88b2962cb");
}

TEST(IdentityOf, DependsOnAllThatALayerWouldHold) {
  const std::vector<std::string> identities = {
      identity_with([](layer::Entry&) {}),
      identity_with([](layer::Entry& entry) { entry.path = "b/f"; }),
      identity_with([](layer::Entry& entry) { entry.kind = layer::EntryKind::kDirectory; }),
      identity_with([](layer::Entry& entry) { entry.mode = 0755; }),
      identity_with([](layer::Entry& entry) { entry.uid = 1; }),
      identity_with([](layer::Entry& entry) { entry.gid = 1; }),
      identity_with([](layer::Entry& entry) { entry.identity = "sha256:2"; }),
      identity_with([](layer::Entry& entry) { entry.mtime = 0; }),
      identity_with([](layer::Entry& entry) { entry.mtime = 1; }),
      identity_with([](layer::Entry& entry) {
        entry.xattrs = {{"user.a", ""}};
      }),
      identity_with([](layer::Entry& entry) {
        entry.xattrs = {{"user.a", "1"}};
      }),
      identity_with([](layer::Entry& entry) {
        entry.xattrs = {{"user.b", "1"}};
      }),
      identity_with([](layer::Entry& entry) {
        entry.xattrs = {{"user.a", "1"}, {"user.b", ""}};
      }),
      identity_of(tree_of({symlink_to("l", "a")})),
      identity_of(tree_of({symlink_to("l", "b")})),
      identity_of(tree_of({})),
  };
  EXPECT_EQ(std::set<std::string>(identities.begin(), identities.end()).size(), identities.size());
}

TEST(IdentityOf, FieldsDoNotRunIntoEachOther) {
  EXPECT_NE(identity_with([](layer::Entry& entry) {
              entry.xattrs = {{"user.a", "1"}};
            }),
            identity_with([](layer::Entry& entry) {
              entry.xattrs = {{"user.a1", ""}};
            }));
  EXPECT_NE(identity_of(tree_of({symlink_to("a", "bc")})),
            identity_of(tree_of({symlink_to("ab", "c")})));
}

/// Content whose only entry is plain(), and what it deletes.
std::string identity_deleting(std::vector<std::string> removed, std::vector<std::string> emptied) {
  Content content;
  content.tree = tree_of({plain()});
  content.removed = std::move(removed);
  content.emptied = std::move(emptied);
  return identity_of(content);
}

TEST(IdentityOf, ContentThatDeletesNothingIsItsTrees) {
  EXPECT_EQ(identity_deleting({}, {}), identity_of(tree_of({plain()})));
}

TEST(IdentityOf, ContentDependsOnWhatItDeletes) {
  const std::set<std::string> identities = {
      identity_deleting({}, {}),          identity_deleting({"a"}, {}),
      identity_deleting({}, {"a"}),       identity_deleting({"a"}, {"b"}),
      identity_deleting({"a", "b"}, {}),  identity_deleting({}, {"a", "b"}),
      identity_deleting({"a"}, {"b", ""})};
  EXPECT_EQ(identities.size(), 7U);
}

}  // namespace
}  // namespace kiln::source
