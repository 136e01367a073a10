#include "core/build/base_trees.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "core/base/gather.h"
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
  return *without(std::move(base), remove);
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
  EXPECT_EQ(facts_of(missing, underlay_of(base(), missing.remove))->underlay.warnings,
            std::vector<std::string>{"remove: /opt/none is not in the base"});
}

class KeptFacts : public StoredImages {};

TEST_F(KeptFacts, AreWorkedOutOnceForAllThatAskTheSameOfABase) {
  BaseTrees trees(*base_cache_, pool_, clock_);
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

class KeptTrees : public StoredImages {
 protected:
  std::shared_ptr<const layer::BaseTree> tree_below(const std::string& path,
                                                    const std::string& image) {
    const auto from = reader(image);
    const auto loaded = run(load_image(*from, {}));
    EXPECT_THAT(loaded, testing::IsOk());
    auto request = std::make_shared<BuildRequest>();
    request->content.emplace_back(nullptr, path);
    auto facts = run(trees_.facts(request, loaded->platforms.front().image));
    EXPECT_THAT(facts, testing::IsOk());
    return facts->underlay.tree;
  }
  void add_base_of(std::size_t files, const std::string& name) {
    Entries entries;
    for (std::size_t i = 0; i < files; ++i) entries.push_back(file(name + std::to_string(i), ""));
    testing::add_base(registry_, "r.test/" + name, "1", entries);
  }

  BaseTrees trees_{*base_cache_, pool_, clock_};
};

TEST_F(KeptTrees, AreOneForAllWhoPutContentIntoOnePlaceOfABase) {
  const auto once = tree_below("/usr/share/nginx/html", "r.test/nginx:1.27");
  EXPECT_EQ(tree_below("/usr/share/nginx/html", "r.test/nginx:1.27"), once);
  EXPECT_NE(tree_below("/etc", "r.test/nginx:1.27"), once);
}

TEST_F(KeptTrees, HoldWhatContentCanMeetAndNoMore) {
  const auto tree = tree_below("/usr/share/nginx/html", "r.test/nginx:1.27");
  EXPECT_NE(tree->find("usr/share/nginx/html/index.html"), nullptr);
  EXPECT_EQ(tree->find("etc/nginx"), nullptr);
}

TEST_F(KeptTrees, AreWorkedOutOnceForTwoWhoAskAtOnce) {
  add_base_of(1000, "one");  // On the pool.
  const auto from = reader("r.test/one:1");
  const auto image = run(load_image(*from, {}));
  ASSERT_THAT(image, testing::IsOk());
  const auto wanted = std::make_shared<const BuildRequest>(*site());
  std::vector<Task<Result<BaseFacts>>> both;
  for (int i = 0; i < 2; ++i) both.push_back(trees_.facts(wanted, image->platforms.front().image));

  const auto facts = run(gather(std::move(both), 2));

  ASSERT_THAT(facts, testing::IsOk());
  EXPECT_EQ((*facts)[0].underlay.tree, (*facts)[1].underlay.tree);
}

TEST_F(KeptTrees, TakeNoMoreThanSomeMemory) {
  constexpr std::size_t kMoreThanAHalf = 17'000;
  add_base_of(kMoreThanAHalf, "one");
  add_base_of(kMoreThanAHalf, "other");
  const std::weak_ptr<const layer::BaseTree> one = tree_below("/", "r.test/one:1");
  EXPECT_FALSE(one.expired());

  tree_below("/", "r.test/other:1");

  EXPECT_TRUE(one.expired());
}

/// Bases, places and content at random, of few names, so that they meet.
class Meeting {
 public:
  explicit Meeting(unsigned seed) : random_(seed) {}

  Entries base() {
    Entries entries;
    for (int i = 0; i < 12; ++i) {
      const auto path = this->path();
      switch (random_() % 3) {
        case 0:
          entries.push_back(file(path, ""));
          break;
        case 1:
          entries.push_back(directory(path));
          break;
        default:
          entries.push_back(symlink(path, (random_() % 2 ? "/" : "") + this->path()));
      }
    }
    return entries;
  }
  std::string path() {
    std::string path = name();
    for (auto depth = random_() % 3; depth > 0; --depth) path += "/" + name();
    return path;
  }

 private:
  std::string name() { return std::string(1, "abcd"[random_() % 4]); }
  std::mt19937 random_;
};

std::string placed(const source::Content& content, const std::string& path,
                   const layer::BaseTree& below) {
  layer::FileTree into;
  const auto done = place_content(content, path, {}, below, into);
  return done ? source::identity_of(into) : done.error().message;
}

TEST(BaseFacts, HaveATreeOnWhichContentIsPutAsOnTheWhole) {
  std::size_t compared = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Meeting meeting(seed);
    layer::BaseTree tree;
    for (const auto& entry : meeting.base()) {
      layer::FileTree one;
      if (one.add(entry)) (void)tree.apply(index_of(one)).value();
    }
    BuildRequest wanted;
    wanted.content.emplace_back(nullptr, "/" + meeting.path());
    const auto whole = *without(std::move(tree), {});
    const auto facts = facts_of(wanted, whole);
    if (!facts) continue;
    source::Content content;
    for (int i = 0; i < 3; ++i) (void)content.tree.add(file(meeting.path(), "x")).has_value();
    const auto& path = wanted.content.front().path;
    EXPECT_EQ(placed(content, path, *facts->underlay.tree), placed(content, path, *whole.tree))
        << "seed " << seed;
    ++compared;
  }
  EXPECT_GT(compared, 1000U);
}

}  // namespace
}  // namespace kiln::build
