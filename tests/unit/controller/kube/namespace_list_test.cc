#include "controller/kube/namespace_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::kube {
namespace {

using kiln::testing::FailsWith;
using ::testing::ElementsAre;

TEST(NamespaceList, KeepsEachNameOnceInOrder) {
  EXPECT_THAT(*check_namespaces({"web", "", "team-a2", "web"}), ElementsAre("web", "team-a2"));
  EXPECT_THAT(*check_namespaces({}), ElementsAre());
  EXPECT_THAT(*check_namespaces({std::string(63, 'a')}), ElementsAre(std::string(63, 'a')));
}

TEST(NamespaceList, RefusesWhatCannotBeANamespaceByName) {
  for (const auto& name :
       {std::string("Web"), std::string("web_a"), std::string("-a"), std::string("a-"),
        std::string("a.b"), std::string("a b"), std::string("*"), std::string(64, 'a')})
    EXPECT_THAT(check_namespaces({"web", name}),
                FailsWith(Errc::kInvalid, "\"" + name + "\" is no namespace"));
}

}  // namespace
}  // namespace kiln::kube
