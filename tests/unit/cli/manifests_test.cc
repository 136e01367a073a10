#include "cli/manifests.h"

#include <gtest/gtest.h>

#include "core/base/file.h"
#include "tests/support/matchers.h"

namespace kiln::cli {
namespace {

using testing::FailsWith;
using testing::IsOk;

constexpr std::string_view kBuild = R"(---
apiVersion: kiln.build/v1alpha1
kind: ImageBuild
metadata: {name: site}
spec:
  base: {image: scratch}
  output: {image: r.io/team/site}
)";

class ManifestFiles : public ::testing::Test {
 protected:
  Result<Manifests> load(std::string_view text) {
    const auto path = directory_.path() / "file.yaml";
    EXPECT_THAT(write_file_atomically(path, text), IsOk());
    return load_manifests({path.string()});
  }
  TempDir directory_ = *TempDir::create("kiln-test");
};

TEST_F(ManifestFiles, HoldBuildsAndTheDataBesideThem) {
  const auto loaded = load(std::string(kBuild) + R"(---
apiVersion: v1
kind: ConfigMap
metadata: {name: words, namespace: web}
data: {a.txt: hello}
binaryData: {b.bin: AAE=}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
type: Opaque
data: {k: c2VjcmV0}
stringData: {s: text}
)");

  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->builds.at(0).metadata.key(), "default/site");
  EXPECT_EQ(loaded->config_maps.at("web/words").files.at("a.txt"), "hello");
  EXPECT_EQ(loaded->config_maps.at("web/words").files.at("b.bin"), std::string("\0\1", 2));
  EXPECT_EQ(loaded->secrets.at("default/keys").files.at("k"), "secret");
  EXPECT_EQ(loaded->secrets.at("default/keys").files.at("s"), "text");
}

TEST_F(ManifestFiles, MayHoldListsAndOtherKinds) {
  const auto loaded = load(R"({"apiVersion":"v1","kind":"List","items":[
    {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}},
    {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"y"}}]})");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_TRUE(loaded->config_maps.contains("default/y"));
}

struct Bad {
  std::string name, text, why;
};
void PrintTo(const Bad& row, std::ostream* out) {
  *out << row.name;
}
class ManifestsRefuse : public ManifestFiles, public ::testing::WithParamInterface<Bad> {};
TEST_P(ManifestsRefuse, WithFileLineAndReason) {
  const auto loaded = load(GetParam().text);
  ASSERT_THAT(loaded, FailsWith(Errc::kInvalid, GetParam().why));
  EXPECT_NE(loaded.error().message.find("file.yaml"), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ManifestsRefuse,
    ::testing::Values(
        Bad{"UnknownField", std::string(kBuild) + "  entrypoint: [x]\n", "entrypoint"},
        Bad{"OtherVersion", "apiVersion: kiln.build/v9\nkind: ImageBuild\n",
            "write kiln.build/v1alpha1"},
        Bad{"NoKindAndNoVersion", "a: 1\n", "the object has no apiVersion and no kind; write"},
        Bad{"NoVersion", "kind: Deployment\n", "the object of kind Deployment has no apiVersion"},
        Bad{"NoVersionOfOurs", "kind: ImageBuild\n", "write apiVersion: kiln.build/v1alpha1"},
        Bad{"NoKind", "apiVersion: v1\n", "the object with apiVersion v1 has no kind"},
        Bad{"NumberAsData", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n",
            "in quotes"},
        Bad{"BadBase64", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: '?'}\n",
            "is not base64"},
        Bad{"Twice", std::string(kBuild) + std::string(kBuild), "stands twice"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ManifestFiles, OfAFolderAreReadInOrder) {
  ASSERT_THAT(write_file_atomically(directory_.path() / "b.yaml", kBuild), IsOk());
  ASSERT_THAT(write_file_atomically(directory_.path() / "notes.txt", "not: [yaml"), IsOk());
  EXPECT_EQ(load_manifests({directory_.path().string()})->builds.size(), 1u);
}

TEST_F(ManifestFiles, ThatAreMissingAreNamed) {
  EXPECT_THAT(load_manifests({"/nowhere.yaml"}), FailsWith(Errc::kNotFound, "/nowhere.yaml"));
}

}  // namespace
}  // namespace kiln::cli
