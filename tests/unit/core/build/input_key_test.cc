#include <gtest/gtest.h>

#include <functional>

#include "core/build/builder.h"
#include "tests/unit/core/build/build_fixture.h"

namespace kiln::build {
namespace {

struct Change {
  std::string name;
  std::function<void(BuildRequest&)> apply;
};
void PrintTo(const Change& change, std::ostream* out) {
  *out << change.name;
}
const auto kName = [](const auto& test) { return test.param.name; };

class InputKey : public BuildFixture, public ::testing::WithParamInterface<Change> {
 protected:
  std::string key_of(const std::shared_ptr<const BuildRequest>& request) {
    const auto content = run(builder_.fetch_content(request));
    const auto base = run(builder_.resolve_base(request));
    return input_key(*request, *base, *content);
  }
};

class InputKeyChanges : public InputKey {};
TEST_P(InputKeyChanges, WithWhatDecidesTheImage) {
  auto changed = site();
  GetParam().apply(*changed);
  EXPECT_NE(key_of(changed), key_of(site()));
}
INSTANTIATE_TEST_SUITE_P(
    Fields, InputKeyChanges,
    ::testing::Values(
        Change{"Remove", [](auto& r) { r.remove.clear(); }},
        Change{"Content",
               [](auto& r) {
                 r.content[0].source = std::make_shared<source::InlineSource>(
                     "inline", "1", std::vector<source::NamedFile>{{"index.html", "hello!"}});
               }},
        Change{"ContentPath", [](auto& r) { r.content[0].path = "/srv"; }},
        Change{"Owner", [](auto& r) { r.content[0].ownership.uid = 0; }},
        Change{"FileMode", [](auto& r) { r.content[0].ownership.file_mode = 0600; }},
        Change{"Config", [](auto& r) { r.config.user = "101"; }},
        Change{"EmptyEntrypoint",
               [](auto& r) { r.config.entrypoint = std::vector<std::string>{}; }},
        Change{"Annotations", [](auto& r) { r.annotations["a"] = "b"; }},
        Change{"Compression", [](auto& r) { r.compression = layer::Compression::kZstd; }},
        Change{"Layers", [](auto& r) { r.layers = LayerPolicy::kSingle; }},
        Change{"Timestamps", [](auto& r) { r.timestamps.kind = layer::Timestamps::kEpoch; }},
        Change{"MediaTypes", [](auto& r) { r.docker_media_types = true; }},
        Change{"Platforms",
               [](auto& r) { r.base.platforms = {*oci::Platform::parse("linux/arm64")}; }}),
    kName);

class InputKeyKeeps : public InputKey {};
TEST_P(InputKeyKeeps, WhatDoesNotDecideTheImage) {
  auto changed = site();
  GetParam().apply(*changed);
  EXPECT_EQ(key_of(changed), key_of(site()));
}
INSTANTIATE_TEST_SUITE_P(
    Fields, InputKeyKeeps,
    ::testing::Values(Change{"Credentials",
                             [](auto& r) {
                               r.base.access.keychain = std::make_shared<auth::AnonymousKeychain>();
                             }},
                      Change{"Insecure", [](auto& r) { r.base.access.insecure = true; }},
                      Change{"Revision",
                             [](auto& r) {
                               r.content[0].source = std::make_shared<source::InlineSource>(
                                   "other words", "2",
                                   std::vector<source::NamedFile>{{"index.html", "hello"}});
                             }}),
    kName);

TEST_F(InputKey, ChangesWithTheBase) {
  const auto before = key_of(site());
  auto entries = testing::nginx_like_entries();
  entries.push_back(testing::file("etc-version", "2"));
  testing::add_base(registry_, "r.test/nginx", "1.27", entries);
  EXPECT_NE(key_of(site()), before);
}

}  // namespace
}  // namespace kiln::build
