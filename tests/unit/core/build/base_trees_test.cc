#include "core/build/base_trees.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/build/image_loader.h"
#include "core/build/placement.h"
#include "tests/unit/core/build/stored_images.h"

namespace kiln::build {
namespace {

using layer::Entry;
using testing::directory;
using testing::file;
using testing::symlink;
using Entries = std::vector<Entry>;

/// With links in and around the place that content goes to.
Entries base() {
  auto entries = testing::nginx_like_entries();
  entries.push_back(symlink("srv", "usr/share/nginx"));
  entries.push_back(symlink("usr/share/nginx/logs", "/var/log"));
  entries.push_back(directory("var/log"));
  return entries;
}

Underlay underlay_of(const Entries& entries, const std::vector<std::string>& remove) {
  layer::FileTree tree;
  for (const auto& entry : entries) (void)tree.add(entry).value();
  auto base = *layer::BaseTree::merge({index_of(tree)});
  return *without(std::make_shared<const layer::BaseTree>(std::move(base)), remove);
}

/// Content for /srv/html, which a link leads to; one path is removed.
BuildRequest request() {
  BuildRequest request;
  request.remove = {"/usr/share/nginx/html/index.html"};
  request.content.emplace_back(nullptr, "/srv/html");
  return request;
}

std::string facts(const Entries& entries, const BuildRequest& of = request()) {
  return facts_of(of, underlay_of(entries, of.remove))->digest;
}

Entry& at(Entries& entries, const std::string& path) {
  return *std::find_if(entries.begin(), entries.end(),
                       [&](const Entry& entry) { return entry.path == path; });
}

struct Change {
  std::string name;
  std::function<void(Entries&)> apply;
};
std::string name_of(const ::testing::TestParamInfo<Change>& change) {
  return change.param.name;
}

class FactsStay : public ::testing::TestWithParam<Change> {};

TEST_P(FactsStay, WhereNoContentCouldMeetWhatIsNew) {
  auto changed = base();
  GetParam().apply(changed);
  EXPECT_EQ(facts(changed), facts(base()));
}

INSTANTIATE_TEST_SUITE_P(
    Base, FactsStay,
    ::testing::Values(
        Change{"AFileElsewhere", [](Entries& e) { e.push_back(file("usr/bin/new", "x")); }},
        Change{"ADirectoryElsewhere", [](Entries& e) { e.push_back(directory("opt", 0700, 5)); }},
        Change{"TheModeOfOneElsewhere", [](Entries& e) { at(e, "usr/bin").mode = 0700; }},
        Change{"ALinkElsewhere", [](Entries& e) { at(e, "bin").link_target = "usr/sbin"; }},
        Change{"TheBytesOfWhatIsRemoved",
               [](Entries& e) {
                 at(e, "usr/share/nginx/html/index.html") =
                     file("usr/share/nginx/html/index.html", "other", 0600);
               }},
        Change{"AnotherWayOfALinkToTheSamePlace",
               [](Entries& e) { at(e, "srv").link_target = "/usr/share/nginx"; }}),
    name_of);

class FactsDiffer : public ::testing::TestWithParam<Change> {};

TEST_P(FactsDiffer, WhereContentCouldMeetWhatIsNew) {
  auto changed = base();
  GetParam().apply(changed);
  EXPECT_NE(facts(changed), facts(base()));
}

INSTANTIATE_TEST_SUITE_P(
    Base, FactsDiffer,
    ::testing::Values(
        Change{"TheModeOfTheDestination",
               [](Entries& e) { at(e, "usr/share/nginx/html").mode = 0700; }},
        Change{"ItsOwner", [](Entries& e) { at(e, "usr/share/nginx/html").uid = 101; }},
        Change{"ItsGroup", [](Entries& e) { at(e, "usr/share/nginx/html").gid = 101; }},
        Change{"TheModeOfADirectoryAbove", [](Entries& e) { at(e, "usr/share").mode = 0711; }},
        Change{"AFileBelow",
               [](Entries& e) { e.push_back(file("usr/share/nginx/html/50x.html", "x")); }},
        Change{"ADirectoryBelow",
               [](Entries& e) { e.push_back(directory("usr/share/nginx/html/assets")); }},
        Change{"ALinkBelow",
               [](Entries& e) { e.push_back(symlink("usr/share/nginx/html/assets", "/opt")); }},
        Change{"WhereALinkToTheDestinationLeads",
               [](Entries& e) { at(e, "srv").link_target = "var/cache/nginx"; }},
        Change{"WhatIsToBeRemovedIsNotThere",
               [](Entries& e) {
                 std::erase_if(e, [](const Entry& entry) {
                   return entry.path == "usr/share/nginx/html/index.html";
                 });
               }}),
    name_of);

TEST(BaseFacts, AreAlsoWhatLinksBelowTheDestinationLeadTo) {
  auto through_link = request();
  through_link.content.front().path = "/usr/share/nginx";
  auto changed = base();
  at(changed, "var/log").mode = 01777;
  EXPECT_EQ(facts(changed), facts(base()));
  EXPECT_NE(facts(changed, through_link), facts(base(), through_link));
}

TEST(BaseFacts, AreAllFactsWhereOneLayerOfContentMayLeadTheNext) {
  auto changed = base();
  changed.push_back(directory("opt"));
  auto layers = request();
  layers.content.emplace_back(nullptr, "/srv/html");
  EXPECT_EQ(facts(changed, layers), facts(base(), layers));
  layers.layers = LayerPolicy::kPerContent;
  EXPECT_NE(facts(changed, layers), facts(base(), layers));
}

TEST(BaseFacts, NameWhatIsToBeRemovedAndNotThere) {
  auto missing = request();
  missing.remove = {"/opt/none"};
  EXPECT_EQ(facts_of(missing, underlay_of(base(), missing.remove))->warnings,
            std::vector<std::string>{"remove: /opt/none is not in the base"});
}

class KeptFacts : public StoredImages {};

TEST_F(KeptFacts, AreWorkedOutOnceForAllThatAskTheSameOfABase) {
  BaseTrees trees(*base_cache_);
  const auto from = reader("r.test/nginx:1.27");
  const auto image = run(load_image(*from, {}));
  ASSERT_THAT(image, testing::IsOk());
  const auto& first = image->platforms.front().image;
  const auto wanted = std::make_shared<const BuildRequest>(*site());
  const auto once = run(trees.facts(wanted, first));
  ASSERT_THAT(once, testing::IsOk());
  registry_.forget_calls();
  forget_what_was_read();

  const auto again = run(trees.facts(wanted, first));

  EXPECT_EQ(again->digest, once->digest);
  EXPECT_EQ(registry_.calls().size(), 0U);
}

class KeptUnderlays : public StoredImages {
 protected:
  Underlay underlay_of(const std::string& image, const std::vector<std::string>& remove) {
    const auto from = reader(image);
    const auto loaded = run(load_image(*from, {}));
    EXPECT_THAT(loaded, testing::IsOk());
    auto made = run(trees_.underlay(loaded->platforms.front().image, access_, remove));
    EXPECT_THAT(made, testing::IsOk());
    return *made;
  }
  void add_base_of(std::size_t files, const std::string& name) {
    Entries entries;
    for (std::size_t i = 0; i < files; ++i) entries.push_back(file(name + std::to_string(i), ""));
    testing::add_base(registry_, "r.test/" + name, "1", entries);
  }

  BaseTrees trees_{*base_cache_};
  const std::string index_ = "usr/share/nginx/html/index.html";
};

TEST_F(KeptUnderlays, AreMadeOnceForAllWhoPutContentOnABase) {
  const auto once = underlay_of("r.test/nginx:1.27", {"/" + index_});
  EXPECT_EQ(underlay_of("r.test/nginx:1.27", {"/" + index_}).tree, once.tree);
}

TEST_F(KeptUnderlays, AreWithoutWhatIsRemovedForThoseWhoRemoveIt) {
  EXPECT_EQ(underlay_of("r.test/nginx:1.27", {"/" + index_}).tree->find(index_), nullptr);
  EXPECT_NE(underlay_of("r.test/nginx:1.27", {}).tree->find(index_), nullptr);
}

TEST_F(KeptUnderlays, TakeNoMoreThanSomeMemory) {
  constexpr std::size_t kMoreThanHalf = 21'000;
  add_base_of(kMoreThanHalf, "one");
  add_base_of(kMoreThanHalf, "other");
  const std::weak_ptr<const layer::BaseTree> one = underlay_of("r.test/one:1", {}).tree;
  EXPECT_FALSE(one.expired());

  underlay_of("r.test/other:1", {});

  EXPECT_TRUE(one.expired());
}

}  // namespace
}  // namespace kiln::build
