// Content that is copied out of other images: what is asked of registries, and what becomes of it.
#include <gtest/gtest.h>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class ImageContentReconcile : public Reconcile {
 protected:
  ImageContentReconcile() { push_assets("one"); }

  /// The tag gets another image, and the time for polls comes.
  oci::Digest push_assets(const std::string& text, const std::string& more = "") {
    std::vector<layer::Entry> entries{testing::directory("dist"),
                                      testing::file("dist/app.js", text)};
    if (!more.empty()) entries.push_back(testing::file(more, "more"));
    clock_.advance(std::chrono::minutes(10));
    return testing::add_base(registry_, "r.test/assets", "1", entries);
  }
  static Json assets(const Json& change = Json::object()) {
    Json image = {{"reference", "r.test/assets:1"}, {"path", "/dist"}};
    image.merge_patch(change);
    return {{"path", "/usr/share/nginx/html"}, {"image", image}};
  }
  void put(Json change = Json::object()) {
    Json spec = {{"content", {assets()}}};
    spec.merge_patch(change);
    put_build(spec);
  }
  std::size_t calls(const std::string& method, const std::string& place = "r.test/assets") const {
    std::size_t count = 0;
    for (const auto& line : registry_.call_lines())
      count += line.starts_with(method + " " + place) ? 1 : 0;
    return count;
  }
  Names stages() const {
    Names names;
    for (const auto& stage : status()["lastBuild"]["stages"]) names.push_back(stage["name"]);
    return names;
  }
};

TEST_F(ImageContentReconcile, BuildsWithItAndSaysWhichImageItWas) {
  const auto assets = push_assets("one");
  put();
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
  const auto& content = status()["content"][0];
  EXPECT_EQ(content["source"], "image r.test/assets:1");
  EXPECT_EQ(content["revision"], assets.str());
  EXPECT_EQ(content["path"], "/usr/share/nginx/html");
  EXPECT_EQ(content["files"], 1);
  EXPECT_EQ(content["size"], 3);
}

TEST_F(ImageContentReconcile, AsksOnlyForTheDigestWhileItStaysTheSame) {
  put();
  reconcile();
  registry_.forget_calls();
  const auto version = kube_.resource_version();
  clock_.advance(std::chrono::minutes(10));
  reconcile();
  EXPECT_EQ(calls("resolve"), 1U);
  EXPECT_EQ(calls("fetch"), 0U);
  EXPECT_EQ(kube_.resource_version(), version);
}

TEST_F(ImageContentReconcile, BuildsAgainWhenTheImageHasOtherFilesAndSaysFromAndTo) {
  const auto before = push_assets("one");
  put();
  reconcile();
  const auto first = digest();
  const auto now = push_assets("two");
  reconcile();
  EXPECT_NE(digest(), first);
  EXPECT_EQ(reasons(), Names{"ContentChanged"});
  const auto& reason = status()["lastBuild"]["reasons"][0];
  EXPECT_EQ(reason["from"], "image r.test/assets:1@" + before.str());
  EXPECT_EQ(reason["to"], "image r.test/assets:1@" + now.str());
}

TEST_F(ImageContentReconcile, OfAnotherImageWithTheSameFilesNotesTheRevisionOnly) {
  put();
  reconcile();
  const auto first = digest();
  const auto other = push_assets("one", "elsewhere");
  reconcile();
  EXPECT_EQ(digest(), first);
  EXPECT_EQ(status()["content"][0]["revision"], other.str());
  EXPECT_EQ(reasons(), Names{"Created"});
}

TEST_F(ImageContentReconcile, FetchesNoLayerAgainWhenSomethingElseHasChanged) {
  put({{"content", {{{"path", "/srv"}, {"configMap", {{"name", "pages"}}}}, assets()}}});
  reconcile();
  registry_.forget_calls();
  put_pages("edited");
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
  EXPECT_EQ(reasons(), Names{"ContentChanged"});
  EXPECT_EQ(calls("fetch"), 0U);
}

TEST_F(ImageContentReconcile, KeepsItsLayersOnANewBaseWithoutReadingIt) {
  put();
  reconcile();
  const auto layers = status()["layers"];
  change_base();
  registry_.forget_calls();
  reconcile();
  EXPECT_EQ(reasons(), Names{"BaseChanged"});
  EXPECT_EQ(status()["layers"], layers);
  EXPECT_EQ(stages(), (Names{"content", "base", "reuse", "push", "publish"}));
  EXPECT_EQ(status()["content"][0]["files"], 1);
  EXPECT_EQ(calls("fetch"), 0U);
}

TEST_F(ImageContentReconcile, ThatIsNotToTriggerWaitsAndIsReadOnce) {
  put({{"triggers", {{"content", false}}}});
  reconcile();
  const auto first = digest();
  push_assets("two");
  reconcile();
  registry_.forget_calls();
  clock_.advance(std::chrono::minutes(10));
  reconcile();
  EXPECT_EQ(digest(), first);
  EXPECT_EQ(calls("fetch"), 0U);
}

TEST_F(ImageContentReconcile, ThatIsNotThereIsNamedAndHeals) {
  registry_.forget_tag("r.test/assets", "1");
  put();
  EXPECT_TRUE(reconcile().is_retry());
  EXPECT_EQ(condition("Ready"), "False ImageNotFound");
  EXPECT_EQ(condition("ContentReady"), "False ImageNotFound");
  EXPECT_TRUE(message().starts_with("fetching the content: spec.content[0] (r.test/assets:1): "))
      << message();
  push_assets("one");
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
}

TEST_F(ImageContentReconcile, ThatHasNoSuchPathIsADeadEndAndIsReadOnce) {
  const auto image = push_assets("one");
  put({{"content", {assets({{"path", "/dits"}})}}});
  EXPECT_FALSE(reconcile().is_retry());
  EXPECT_EQ(condition("Ready"), "False ContentInvalid");
  EXPECT_EQ(condition("Stalled"), "True ContentInvalid");
  EXPECT_EQ(message(), "fetching the content: spec.content[0] (r.test/assets:1): r.test/assets@" +
                           image.str() + ": there is no /dits in it");

  registry_.forget_calls();
  clock_.advance(std::chrono::minutes(10));
  reconcile();
  EXPECT_EQ(condition("Ready"), "False ContentInvalid");
  EXPECT_EQ(calls("fetch"), 0U);

  put();
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
  EXPECT_EQ(condition("Stalled"), "none");
}

TEST_F(ImageContentReconcile, ThatHasNoSuchPathHealsByAnImageThatHasIt) {
  put({{"content", {assets({{"path", "/late"}})}}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "False ContentInvalid");
  push_assets("one", "late/f");
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
}

struct Failure {
  std::string name;
  Errc code;
  std::string reason;
};

class ImageContentFails : public ImageContentReconcile,
                          public ::testing::WithParamInterface<Failure> {};

TEST_P(ImageContentFails, WithTheReasonOfTheRegistryAndComesBack) {
  registry_.fail_next("fetch_blob_into", Error(GetParam().code, "the registry's words"), 2);
  put();
  EXPECT_TRUE(reconcile().is_retry());
  EXPECT_EQ(condition("Ready"), "False " + GetParam().reason);
  EXPECT_EQ(condition("ContentReady"), "False " + GetParam().reason);
  EXPECT_NE(message().find("the registry's words"), std::string::npos) << message();
  registry_.on_call(nullptr);
  reconcile();
  if (condition("Ready") != "True Succeeded") reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
}

INSTANTIATE_TEST_SUITE_P(
    Table, ImageContentFails,
    ::testing::Values(Failure{"Unavailable", Errc::kUnavailable, "RegistryUnavailable"},
                      Failure{"Denied", Errc::kDenied, "AuthenticationFailed"},
                      Failure{"Unauthorized", Errc::kUnauthorized, "AuthenticationFailed"},
                      Failure{"RateLimited", Errc::kRateLimited, "RegistryRateLimited"},
                      Failure{"NoSpace", Errc::kNoSpace, "NoSpace"},
                      Failure{"Corrupt", Errc::kCorrupt, "DigestMismatch"},
                      Failure{"Gone", Errc::kNotFound, "ImageNotFound"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ImageContentReconcile, IsReadWithTheCredentialsOfItsOwn) {
  auth::Credential credential;
  credential.username = "me";
  credential.password = "pw";
  testing::add_base(registry_, "private.test/assets", "1", {testing::file("app.js", "x")});
  registry_.require("private.test", credential);
  const Json image = {{"reference", "private.test/assets:1"}, {"path", "/app.js"}};
  put({{"content", {assets(image)}}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "False AuthenticationFailed");

  put({{"content",
        {assets(Json::object({{"reference", "private.test/assets:1"},
                              {"path", "/app.js"},
                              {"secretRef", {{"name", "pull"}}}}))}}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "False SecretNotFound");
  EXPECT_NE(message().find("spec.content[0].image.secretRef"), std::string::npos) << message();

  kube_.put(
      kube::kSecrets,
      R"({"metadata":{"namespace":"web","name":"pull"},"data":{".dockerconfigjson":)"
      R"("eyJhdXRocyI6eyJwcml2YXRlLnRlc3QiOnsidXNlcm5hbWUiOiJtZSIsInBhc3N3b3JkIjoicHcifX19"}})");
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
}

TEST_F(ImageContentReconcile, ByDigestIsNeverAskedForAgain) {
  const auto image = push_assets("one");
  put({{"content", {assets({{"reference", "r.test/assets@" + image.str()}})}}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded") << message();
  registry_.forget_calls();
  clock_.advance(std::chrono::minutes(10));
  reconcile();
  EXPECT_EQ(calls("resolve") + calls("fetch"), 0U);
}

TEST_F(ImageContentReconcile, StartsAllThatCopyFromAnImageThatOnePollFindsChanged) {
  put();
  reconcile();
  EXPECT_TRUE(keys_.added.empty());
  push_assets("two");
  reconcile();
  EXPECT_EQ(keys_.added, std::vector<kube::ObjectKey>{key_});
  registry_.forget_calls();
  reconcile();
  EXPECT_EQ(calls("resolve"), 0U) << "the answer is young enough for a poll";
}

}  // namespace
}  // namespace kiln::imagebuild
