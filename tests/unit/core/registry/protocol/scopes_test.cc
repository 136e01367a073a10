#include "core/registry/protocol/scopes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::registry::protocol {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Scopes, PushComesFirstAndPullsToo) {
  auto scopes = Scopes::push("team/shop");
  scopes.add_all(Scopes::pull("base/nginx"));
  EXPECT_THAT(scopes.list(),
              ElementsAre("repository:team/shop:push,pull", "repository:base/nginx:pull"));
  EXPECT_EQ(scopes.joined(), "repository:team/shop:push,pull repository:base/nginx:pull");
  EXPECT_EQ(scopes.first_resource(), "repository:team/shop");
}

TEST(Scopes, GrowByJoiningActions) {
  auto scopes = Scopes::pull("shop");
  scopes.add_all(Scopes::push("shop"));
  scopes.add_challenge("repository:shop:delete registry:catalog:*");
  EXPECT_THAT(scopes.list(), ElementsAre("repository:shop:pull,push,delete", "registry:catalog:*"));
}

TEST(Scopes, CoverWhatIsNoMoreThanThey) {
  const auto push = Scopes::push("shop");
  EXPECT_TRUE(push.cover(Scopes::pull("shop")));
  EXPECT_TRUE(push.cover(Scopes()));
  EXPECT_FALSE(push.cover(Scopes::pull("shop2")));
  EXPECT_FALSE(Scopes::pull("shop").cover(push));
  auto both = push;
  both.add_all(Scopes::pull("base"));
  EXPECT_FALSE(push.cover(both));
  Scopes all;
  all.add("repository:shop:*");
  EXPECT_TRUE(all.cover(push));
}

TEST(Scopes, NamesMayHaveColons) {
  Scopes scopes;
  scopes.add("repository:host:5000/shop:pull");
  EXPECT_EQ(scopes.first_resource(), "repository:host:5000/shop");
}

TEST(Scopes, DropWhatIsNotAScopeAndAFlood) {
  Scopes scopes;
  for (const auto text : {"", "pull", "repository:pull", "repository:shop:", "repository:shop:,",
                          "a b:c:d", "a:\r\nb:c"})
    scopes.add(text);
  EXPECT_THAT(scopes.list(), IsEmpty());
  scopes.add("repository:" + std::string(1000, 'x') + ":pull");
  EXPECT_TRUE(scopes.empty());
  for (int i = 0; i < 100; ++i) scopes.add("repository:r" + std::to_string(i) + ":pull");
  EXPECT_EQ(scopes.list().size(), 8u);
}

}  // namespace
}  // namespace kiln::registry::protocol
