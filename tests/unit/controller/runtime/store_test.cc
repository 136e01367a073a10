#include "controller/runtime/store.h"

#include <gtest/gtest.h>

namespace kiln::runtime {
namespace {

using Keys = std::vector<kube::ObjectKey>;
const kube::ObjectKey kA("web", "a");
const kube::ObjectKey kB("web", "b");

TEST(Store, FindsByKeyAndByTerm) {
  Store<std::string> store;
  store.put(kB, "two", {"ConfigMap web/x", "Secret web/y"});
  store.put(kA, "one", {"ConfigMap web/x", "ConfigMap web/x"});
  EXPECT_EQ(*store.find(kA), "one");
  EXPECT_EQ(store.find(kube::ObjectKey("web", "c")), nullptr);
  EXPECT_EQ(store.with_term("ConfigMap web/x"), (Keys{kA, kB}));
  EXPECT_EQ(store.with_term("Secret web/y"), Keys{kB});
  EXPECT_TRUE(store.with_term("Secret web/x").empty());
  EXPECT_EQ(store.keys(), (Keys{kA, kB}));
}

TEST(Store, ForgetsTheTermsOfWhatIsReplacedOrErased) {
  Store<std::string> store;
  store.put(kA, "one", {"x", "y"});
  store.put(kA, "two", {"y", "z"});
  EXPECT_FALSE(store.has_term("x"));
  EXPECT_EQ(store.with_term("y"), Keys{kA});
  EXPECT_EQ(store.with_term("z"), Keys{kA});
  EXPECT_EQ(store.size(), 1U);
  EXPECT_TRUE(store.erase(kA));
  EXPECT_FALSE(store.erase(kA));
  EXPECT_EQ(store.uses(), 0U);
  EXPECT_EQ(store.size(), 0U);
}

TEST(Store, KeepsTheTermsWhereOnlyTheValueIsReplaced) {
  Store<std::string> store;
  store.put(kA, "one", {"x"});
  store.replace(kA, "two");
  EXPECT_EQ(*store.find(kA), "two");
  EXPECT_TRUE(store.has_term("x"));
}

TEST(Store, CountsATermThatAValueHasTwiceOnce) {
  Store<std::string> store;
  store.put(kA, "one", {"x", "x"});
  store.put(kB, "two", {"x"});
  EXPECT_EQ(store.uses(), 2U);
  store.erase(kA);
  EXPECT_EQ(store.with_term("x"), Keys{kB});
}

TEST(Store, LetsAValueInUseOutliveItsReplacement) {
  Store<std::string> store;
  store.put(kA, "one");
  const auto held = store.find(kA);
  store.put(kA, "two");
  EXPECT_EQ(*held, "one");
  EXPECT_EQ(*store.find(kA), "two");
}

TEST(Store, ShowsEveryValueOnce) {
  Store<std::string> store;
  store.put(kB, "two");
  store.put(kA, "one");
  std::vector<std::string> seen;
  store.for_each([&](const std::string& value) { seen.push_back(value); });
  EXPECT_EQ(seen, (std::vector<std::string>{"one", "two"}));
}

}  // namespace
}  // namespace kiln::runtime
