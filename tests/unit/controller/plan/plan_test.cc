#include "controller/plan/plan.h"

#include <gtest/gtest.h>

#include "tests/support/fake_git.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/unit/controller/plan/spec_text.h"

namespace kiln::plan {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::run_task;

/// A namespace in memory; counts what is read.
class Namespace final : public ContentProvider {
 public:
  Task<Result<NamedData>> config_map(std::string name) override { return read(maps, name); }
  Task<Result<NamedData>> secret(std::string name) override { return read(secrets, name); }

  static NamedData data(std::map<std::string, std::string> files) {
    NamedData out;
    out.files = std::move(files);
    out.resource_version = "7";
    return out;
  }

  std::map<std::string, NamedData> maps, secrets;
  int reads = 0;

 private:
  Task<Result<NamedData>> read(const std::map<std::string, NamedData>& from, std::string name) {
    ++reads;
    const auto found = from.find(name);
    if (found == from.end()) co_return Error(Errc::kNotFound, name + " is not there");
    co_return found->second;
  }
};

Json entry(const Json& source, const std::string& path = "/srv") {
  Json one = {{"path", path}};
  one.merge_patch(source);
  return one;
}

class MakePlan : public ::testing::Test {
 protected:
  Result<Plan> plan(const Json& change, const std::string& uid = "uid-1") {
    auto build = build_with(change);
    build->metadata.uid = uid;
    Accesses accesses;
    for (std::size_t i = 0; i < build->spec.content.size(); ++i)
      if (build->spec.content[i].image) accesses.content[i].insecure = true;
    return run_task(make_plan(build, namespace_, accesses, git_.sources(), images()));
  }
  /// Remembers what is asked for.
  ImageSources images() {
    return [this](build::ImageContentRequest request, std::size_t entry) {
      image_requests_.emplace(entry, std::move(request));
      return std::make_shared<source::InlineSource>("image", "", std::vector<source::NamedFile>());
    };
  }
  source::Content fetch(const Plan& plan, std::size_t index = 0) {
    return *run_task(plan.request->content[index].source->fetch());
  }
  std::vector<std::string> paths(const Plan& plan, std::size_t index = 0) {
    std::vector<std::string> all;
    const auto content = fetch(plan, index);
    for (const auto& [path, file] : content.tree.entries()) all.push_back(path);
    return all;
  }
  using Names = std::vector<std::string>;
  Namespace namespace_;
  fakes::FakeGit git_;
  std::map<std::size_t, build::ImageContentRequest> image_requests_;
};

TEST_F(MakePlan, TakesEveryKeyOfAConfigMap) {
  namespace_.maps["pages"] = Namespace::data({{"a", "1"}, {"b", "2"}});
  const auto made = plan({{"content", {entry({{"configMap", {{"name", "pages"}}}})}}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(paths(*made), (Names{"a", "b"}));
  EXPECT_EQ(fetch(*made).revision, "7");
  EXPECT_EQ(made->request->content[0].source->description(), "ConfigMap/pages");
  EXPECT_EQ(made->repository.str(), "r.test/team/site");
}

TEST_F(MakePlan, TakesItemsUnderTheirPaths) {
  namespace_.maps["pages"] = Namespace::data({{"a", "1"}, {"b", "2"}});
  const Json source = {
      {"configMap", {{"name", "pages"}, {"items", {{{"key", "b"}, {"path", "css/b.css"}}}}}}};
  const auto made = plan({{"content", {entry(source)}}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(paths(*made), Names{"css/b.css"});
}

TEST_F(MakePlan, NamesAKeyThatIsMissingUnlessOptional) {
  namespace_.maps["pages"] = Namespace::data({{"a", "1"}});
  Json source = {{"configMap", {{"name", "pages"}, {"items", {{{"key", "b"}, {"path", "b"}}}}}}};
  EXPECT_THAT(
      plan({{"content", {entry(source)}}}),
      FailsWith(Errc::kNotFound, "spec.content[0]: ConfigMap/pages has no key \"b\"; it has a"));
  source["configMap"]["optional"] = true;
  const auto made = plan({{"content", {entry(source)}}});
  ASSERT_TRUE(made);
  EXPECT_EQ(paths(*made), Names{});
}

TEST_F(MakePlan, NamesWhatIsMissingUnlessOptional) {
  Json source = {{"secret", {{"name", "tls"}}}};
  EXPECT_THAT(plan({{"content", {entry(source)}}}),
              FailsWith(Errc::kNotFound, "spec.content[0]: tls is not there"));
  source["secret"]["optional"] = true;
  EXPECT_TRUE(plan({{"content", {entry(source)}}}));
}

TEST_F(MakePlan, ReadsWhatTwoEntriesUseOnce) {
  namespace_.maps["pages"] = Namespace::data({{"a", "1"}});
  const Json source = {{"configMap", {{"name", "pages"}}}};
  ASSERT_TRUE(plan({{"content", {entry(source), entry(source, "/b")}}}));
  EXPECT_EQ(namespace_.reads, 1);
}

TEST_F(MakePlan, KeysTheIdentityOfASecretWithTheUid) {
  namespace_.secrets["tls"] = namespace_.maps["tls"] = Namespace::data({{"a", "1"}});
  const Json of_secret = {{"content", {entry({{"secret", {{"name", "tls"}}}})}}};
  const Json of_map = {{"content", {entry({{"configMap", {{"name", "tls"}}}})}}};
  const auto secret = fetch(*plan(of_secret, "uid-1")).identity;
  EXPECT_EQ(secret, fetch(*plan(of_secret, "uid-1")).identity);
  EXPECT_NE(secret, fetch(*plan(of_secret, "uid-2")).identity);
  EXPECT_NE(secret, fetch(*plan(of_map)).identity);
  EXPECT_TRUE(secret.starts_with("hmac-sha256:")) << secret;
}

TEST_F(MakePlan, HandsTheSpecOn) {
  const auto made =
      plan({{"base", {{"platforms", {"linux/arm64"}}, {"insecure", true}}},
            {"remove", {"/old"}},
            {"content",
             {{{"path", "/srv"},
               {"uid", 1},
               {"gid", 2},
               {"fileMode", 256},
               {"dirMode", 448},
               {"inline", {{"files", {{"a", "b"}}}}}}}},
            {"config", {{"args", Json::array()}, {"env", {{{"name", "A"}, {"value", "b"}}}}}},
            {"output",
             {{"compression", "Zstd"},
              {"layers", "PerContent"},
              {"timestamps", "Epoch"},
              {"annotations", {{"k", "v"}}}}}});
  ASSERT_TRUE(made) << made.error().message;
  const auto& request = *made->request;
  EXPECT_EQ(request.base.reference->str(), "index.docker.io/library/nginx:1.27");
  EXPECT_EQ(request.base.platforms.at(0).str(), "linux/arm64");
  EXPECT_EQ(request.remove, Names{"/old"});
  EXPECT_EQ(request.content[0].ownership.uid, 1u);
  EXPECT_EQ(request.content[0].ownership.gid, 2u);
  EXPECT_EQ(request.content[0].ownership.file_mode, 0400u);
  EXPECT_EQ(request.content[0].ownership.dir_mode, 0700u);
  EXPECT_TRUE(request.config.args.has_value());
  EXPECT_FALSE(request.config.entrypoint.has_value());
  EXPECT_EQ(request.config.env.at(0).second, "b");
  EXPECT_EQ(request.compression, layer::Compression::kZstd);
  EXPECT_EQ(request.layers, build::LayerPolicy::kPerContent);
  EXPECT_EQ(request.timestamps.kind, layer::Timestamps::kEpoch);
  EXPECT_EQ(request.annotations.at("k"), "v");
  EXPECT_FALSE(request.docker_media_types);
}

TEST_F(MakePlan, AsksForFilesOfAnImageWithTheAccessOfTheirEntry) {
  const auto made = plan({{"content",
                           {entry({{"inline", {{"files", {{"a", "b"}}}}}}),
                            entry({{"image", {{"reference", "nginx"}, {"path", "/etc/nginx"}}}}),
                            entry({{"image", {{"reference", "r.test/assets:1"}}}})}}});
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(image_requests_.size(), 2U);
  EXPECT_EQ(image_requests_.at(1).reference.str(), "index.docker.io/library/nginx:latest");
  EXPECT_EQ(image_requests_.at(1).path, "/etc/nginx");
  EXPECT_TRUE(image_requests_.at(1).access.insecure);
  EXPECT_EQ(image_requests_.at(2).path, "/");
  EXPECT_EQ(made->request->content[2].name, "spec.content[2] (r.test/assets:1)");
}

TEST_F(MakePlan, OfScratchHasNoReference) {
  EXPECT_FALSE(plan({{"base", {{"image", "scratch"}}}})->request->base.reference.has_value());
}

TEST(ReadAccesses, KeepsBaseAndOutputApart) {
  Namespace space;
  space.secrets["ca"] = Namespace::data({{"ca.crt", "-----BEGIN CERTIFICATE-----"}});
  Keychains keychains;
  keychains.base = std::make_shared<auth::AnonymousKeychain>();
  const auto build = build_with(
      {{"base", {{"insecure", true}}}, {"output", {{"certSecretRef", {{"name", "ca"}}}}}});
  const auto accesses = run_task(read_accesses(build, space, keychains));
  ASSERT_TRUE(accesses) << accesses.error().message;
  EXPECT_EQ(accesses->base.keychain, keychains.base);
  EXPECT_TRUE(accesses->base.insecure);
  EXPECT_EQ(accesses->base.tls, nullptr);
  EXPECT_FALSE(accesses->output.insecure);
  EXPECT_NE(accesses->output.tls, nullptr);
}

TEST(ReadAccesses, HasOneForEachImageOfTheContent) {
  Namespace space;
  space.secrets["ca"] = Namespace::data({{"ca.crt", "-----BEGIN CERTIFICATE-----"}});
  Keychains keychains;
  keychains.content[1] = std::make_shared<auth::AnonymousKeychain>();
  const auto build = build_with({{"content",
                                  {entry({{"inline", {{"files", {{"a", "b"}}}}}}),
                                   entry({{"image",
                                           {{"reference", "r.test/a"},
                                            {"insecure", true},
                                            {"certSecretRef", {{"name", "ca"}}}}}})}}});
  const auto accesses = run_task(read_accesses(build, space, keychains));
  ASSERT_TRUE(accesses) << accesses.error().message;
  ASSERT_EQ(accesses->content.size(), 1U);
  EXPECT_EQ(accesses->content.at(1).keychain, keychains.content[1]);
  EXPECT_TRUE(accesses->content.at(1).insecure);
  EXPECT_NE(accesses->content.at(1).tls, nullptr);
  space.secrets.clear();
  EXPECT_THAT(run_task(read_accesses(build, space, keychains)),
              FailsWith(Errc::kNotFound, "spec.content[1].image.certSecretRef: ca is not there"));
}

TEST(ReadAccesses, NamesTheFieldOfASecretThatIsMissingOrWrong) {
  Namespace space;
  space.secrets["empty"] = Namespace::data({});
  Keychains none;
  EXPECT_THAT(run_task(read_accesses(build_with({{"base", {{"certSecretRef", {{"name", "no"}}}}}}),
                                     space, none)),
              FailsWith(Errc::kNotFound, "spec.base.certSecretRef: no is not there"));
  EXPECT_THAT(run_task(read_accesses(
                  build_with({{"output", {{"certSecretRef", {{"name", "empty"}}}}}}), space, none)),
              FailsWith(Errc::kInvalid, "spec.output.certSecretRef: Secret/empty: has neither"));
}

}  // namespace
}  // namespace kiln::plan
