#include "core/build/image_content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/build/stored_images.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::build {
namespace {

using layer::EntryKind;
using testing::directory;
using ::testing::ElementsAre;
using testing::FailsWith;
using testing::file;
using testing::IsOk;
using testing::symlink;

layer::Entry hardlink(std::string path, std::string target) {
  return layer::testing_support::hardlink_to(std::move(path), std::move(target));
}

constexpr auto kTarType = "application/vnd.oci.image.layer.v1.tar+gzip";

class Content : public StoredImages {
 protected:
  Result<source::Content> fetch(const std::string& reference, const std::string& path = "/") {
    ImageContent content(reader(reference), path, spool_.path().string(), pool_);
    return run(content.fetch());
  }

  /// "path" of a directory, "path=bytes", "path->target", "path==file" of a hard link.
  std::vector<std::string> lines(const std::string& reference, const std::string& path = "/") {
    const auto content = fetch(reference, path);
    EXPECT_THAT(content, IsOk());
    std::vector<std::string> all;
    if (!content) return all;
    for (const auto& [name, entry] : content->tree.entries()) {
      if (entry.kind == EntryKind::kDirectory) all.push_back(name);
      if (entry.kind == EntryKind::kSymlink) all.push_back(name + "->" + entry.link_target);
      if (entry.kind == EntryKind::kHardlink) all.push_back(name + "==" + entry.link_target);
      if (entry.kind != EntryKind::kFile) continue;
      auto source = *entry.content.open();
      all.push_back(name + "=" + *read_all(*source, 1 << 20));
    }
    return all;
  }

  /// r.test/app:1, one platform, these layers.
  void add_layers(const std::vector<std::vector<layer::Entry>>& layers) {
    auto image = image::Image::scratch({"linux", "amd64"}, "2024-01-01T00:00:00Z", false);
    for (const auto& entries : layers) {
      const auto tar = layer::testing_support::tar_of(entries);
      const layer::Layer layer(layer::Blob::of(kTarType, layer::testing_support::compress(
                                                             layer::Compression::kGzip, tar)),
                               oci::Digest::of(tar));
      auto bytes = *layer.blob.open();
      registry_.add_blob("r.test/app", *read_all(*bytes, 1 << 26), kTarType);
      image = image.with_layer(layer, {"2024-01-01T00:00:00Z", "layer"});
    }
    auto config = *image.config_blob().open();
    registry_.add_blob("r.test/app", *read_all(*config, 1 << 20));
    registry_.add_manifest("r.test/app", "1", image.manifest());
  }

  oci::Descriptor add_tar(const std::vector<layer::Entry>& entries,
                          const std::string& type = kTarType) {
    return registry_.add_blob("r.test/art", layer::testing_support::tar_of(entries), type);
  }

  TempDir spool_ = *TempDir::create("kiln-content-test");
};

// --- Images
// ---------------------------------------------------------------------------------------

TEST_F(Content, OfAnImageIsItsFileSystemAsAContainerSeesIt) {
  add_layers({{directory("srv"), file("srv/a", "1"), file("srv/b", "2")},
              {file("srv/b", "3"), layer::testing_support::whiteout("srv/a"), file("srv/c", "4")}});
  EXPECT_THAT(lines("r.test/app:1"), ElementsAre("srv", "srv/b=3", "srv/c=4"));
  EXPECT_THAT(lines("r.test/app:1", "/srv"), ElementsAre("b=3", "c=4"));
}

TEST_F(Content, SaysWhatItIsAndWhatItWas) {
  add_layers({{file("a", "1")}});
  ImageContent content(reader("r.test/app:1"), "/", "", pool_);
  EXPECT_EQ(content.description(), "image r.test/app:1");
  EXPECT_EQ(run(content.fetch())->revision, registry_.tag("r.test/app", "1")->str());
  EXPECT_EQ(content.description(), "image r.test/app:1");
}

TEST_F(Content, IsIdentifiedByWhatIsAtThePathAlone) {
  add_layers({{file("a/f", "1"), file("b/f", "2")}});
  const auto a = fetch("r.test/app:1", "/a")->identity;
  const auto b = fetch("r.test/app:1", "/b")->identity;
  add_layers({{file("a/f", "1"), file("b/f", "other")}});
  forget_what_was_read();
  EXPECT_EQ(fetch("r.test/app:1", "/a")->identity, a);
  EXPECT_NE(fetch("r.test/app:1", "/b")->identity, b);
  EXPECT_NE(a, b);
}

TEST_F(Content, KeepsModesOwnersTimesAndXattrs) {
  auto f = layer::testing_support::with_xattrs(file("d/f", "x", 04711), {{"user.a", "1"}});
  f.uid = 101;
  f.gid = 102;
  f.mtime = 1'600'000'000;
  add_layers({{directory("d", 01777, 7), f}});
  const auto content = fetch("r.test/app:1", "/d");
  ASSERT_THAT(content, IsOk());
  const auto* found = content->tree.find("f");
  EXPECT_EQ(found->mode, 04711U);
  EXPECT_EQ(found->uid, 101U);
  EXPECT_EQ(found->gid, 102U);
  EXPECT_EQ(found->mtime, 1'600'000'000);
  EXPECT_EQ(found->xattrs, f.xattrs);
}

TEST_F(Content, OfAFileIsThatFileUnderTheNameThatWasAsked) {
  add_layers({{file("usr/bin/dash", "#!", 0755), symlink("bin", "usr/bin"),
               symlink("usr/bin/sh", "dash")}});
  EXPECT_THAT(lines("r.test/app:1", "/usr/bin/dash"), ElementsAre("dash=#!"));
  EXPECT_THAT(lines("r.test/app:1", "/bin/dash"), ElementsAre("dash=#!"));
  EXPECT_THAT(lines("r.test/app:1", "/bin/sh"), ElementsAre("sh=#!"));
}

TEST_F(Content, FollowsSymlinksOnTheWayInsideTheImage) {
  add_layers({{directory("data/v2"), file("data/v2/f", "x"), symlink("data/current", "v2"),
               symlink("app", "/data/current"), symlink("up", "../../../data"),
               symlink("data/v2/own", "f")}});
  EXPECT_THAT(lines("r.test/app:1", "/app"), ElementsAre("f=x", "own->f"));
  EXPECT_THAT(lines("r.test/app:1", "/app/"), ElementsAre("f=x", "own->f"));
  EXPECT_THAT(lines("r.test/app:1", "/up/current/f"), ElementsAre("f=x"));
}

TEST_F(Content, OfAnEmptyDirectoryIsEmpty) {
  add_layers({{directory("empty")}});
  EXPECT_THAT(lines("r.test/app:1", "/empty"), ElementsAre());
}

TEST_F(Content, HardLinksWhoseFileStaysBehindBecomeThatFile) {
  add_layers({{file("a/f", "x"), hardlink("b/g", "a/f"), hardlink("b/h", "a/f"), file("b/i", "y"),
               hardlink("b/j", "b/i")}});
  EXPECT_THAT(lines("r.test/app:1", "/b"), ElementsAre("g=x", "h==g", "i=y", "j==i"));
  EXPECT_THAT(lines("r.test/app:1", "/b/h"), ElementsAre("h=x"));
}

TEST_F(Content, OfAnIndexIsLinuxAmd64sOrElseTheFirst) {
  const auto arm = add_image("r.test/two", "linux/arm64", {file("f", "arm")});
  const auto amd = add_image("r.test/two", "linux/amd64", {file("f", "amd")});
  auto attestation = add_artifact("r.test/two", "", {});
  attestation.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  add_index("r.test/two", "both", {attestation, arm, amd});
  add_index("r.test/two", "arm", {attestation, arm});
  EXPECT_THAT(lines("r.test/two:both"), ElementsAre("f=amd"));
  EXPECT_THAT(lines("r.test/two:arm"), ElementsAre("f=arm"));
  EXPECT_EQ(fetch("r.test/two:both")->revision, registry_.tag("r.test/two", "both")->str());
}

TEST_F(Content, OfAnIndexWithinAnIndexOrOfNoneIsRefused) {
  add_index("r.test/two", "inner", {add_image("r.test/two", "linux/amd64", {file("f", "x")})});
  auto inner =
      registry_.manifest("r.test/two", *registry_.tag("r.test/two", "inner"))->descriptor();
  add_index("r.test/two", "1", {inner});
  add_index("r.test/two", "none", {});
  EXPECT_THAT(fetch("r.test/two:1"),
              FailsWith(Errc::kUnsupported, "r.test/two:1: indexes within indexes"));
  EXPECT_THAT(fetch("r.test/two:none"),
              FailsWith(Errc::kInvalid, "r.test/two:none: the index names no image"));
}

TEST_F(Content, RefusesDevicesByName) {
  add_layers(
      {{layer::testing_support::special("dev/null", {layer::Device::Type::kCharacter, 1, 3})}});
  EXPECT_THAT(fetch("r.test/app:1"), FailsWith(Errc::kInvalid, "\"/dev/null\" is a device"));
}

struct BadPath {
  std::string name, path, why;
  Errc code;
};

class ContentRefuses : public Content, public ::testing::WithParamInterface<BadPath> {};

TEST_P(ContentRefuses, PathsThatLeadNowhere) {
  add_layers({{file("f", "x"), symlink("dangling", "none"), symlink("loop", "loop")}});
  const auto content = fetch("r.test/app:1", GetParam().path);
  EXPECT_THAT(content, FailsWith(GetParam().code, "r.test/app:1: "));
  EXPECT_THAT(content, FailsWith(GetParam().code, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Table, ContentRefuses,
    ::testing::ValuesIn(std::vector<BadPath>{
        {"Missing", "/none", "there is no /none in it", Errc::kInvalid},
        {"MissingDeeper", "/none/x", "there is no /none/x in it", Errc::kInvalid},
        {"Dangling", "/dangling", "there is no /dangling in it", Errc::kInvalid},
        {"Loop", "/loop", "more than 40 symlinks", Errc::kInvalid},
        {"BelowAFile", "/f/x", "\"/f\" is not a directory", Errc::kInvalid},
        {"Relative", "f", "must be absolute", Errc::kInvalid},
        {"Dots", "/../f", "has a \"..\" part", Errc::kInvalid},
        {"Empty", "", "is empty", Errc::kInvalid},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(Content, LooksAtThePathBeforeItAsksAnybody) {
  registry_.forget_calls();
  EXPECT_THAT(fetch("r.test/none:1", "/a/../b"), FailsWith(Errc::kInvalid, "has a \"..\" part"));
  EXPECT_TRUE(registry_.calls().empty());
}

TEST_F(Content, PassesOnWhatItsReaderSays) {
  EXPECT_THAT(fetch("r.test/none:1"), FailsWith(Errc::kNotFound, "r.test/none:1"));
  add_layers({{file("f", "x")}});
  registry_.fail_next("fetch_blob_into", Error(Errc::kUnavailable, "connection was cut"));
  EXPECT_THAT(fetch("r.test/app:1"), FailsWith(Errc::kUnavailable, "connection was cut"));
}

TEST_F(Content, MayHaveDevicesElsewhereInTheImage) {
  add_layers({{layer::testing_support::special("dev/null", {layer::Device::Type::kCharacter, 1, 3}),
               file("srv/f", "x")}});
  EXPECT_THAT(lines("r.test/app:1", "/srv"), ElementsAre("f=x"));
}

struct TooMuch {
  std::string name;
  ImageContentLimits limits;
  std::string why;
};

ImageContentLimits at_most(std::uint64_t download, std::uint64_t content, std::size_t paths,
                           std::size_t tars) {
  return ImageContentLimits{download, content, paths, tars};
}

class ContentLimits : public Content, public ::testing::WithParamInterface<TooMuch> {};

TEST_P(ContentLimits, AreKeptToBeforeAnythingIsWritten) {
  add_layers({{file("a/f", "12345"), file("a/g", "12345")}, {file("a/h", "1"), file("b", "1")}});
  ImageContent content(reader("r.test/app:1"), "/a", "", pool_, GetParam().limits);
  const auto fetched = run(content.fetch());
  if (GetParam().why.empty())
    EXPECT_THAT(fetched, IsOk());
  else
    EXPECT_THAT(fetched, FailsWith(Errc::kInvalid, GetParam().why));
}

constexpr std::uint64_t kPlenty = 1 << 20;

INSTANTIATE_TEST_SUITE_P(
    Table, ContentLimits,
    ::testing::Values(
        TooMuch{"Enough", at_most(kPlenty, 11, 4, 2), ""},
        TooMuch{"Download", at_most(20, kPlenty, 100, 10),
                "r.test/app:1: the number of bytes in layers is at least 21, more than the allowed "
                "20; copy a smaller part, or a smaller image"},
        TooMuch{"Content", at_most(kPlenty, 10, 100, 10),
                "the number of bytes in files is 11, more than the allowed 10"},
        TooMuch{"Paths", at_most(kPlenty, kPlenty, 3, 10),
                "the number of paths is 4, more than the allowed 3"},
        TooMuch{"Tars", at_most(kPlenty, kPlenty, 100, 1),
                "the number of layers is at least 2, more than the allowed 1"}),
    [](const auto& test) { return test.param.name; });

TEST_F(Content, LeavesNothingBehindThatHasAName) {
  add_layers({{file("f", "x")}});
  ASSERT_THAT(fetch("r.test/app:1"), IsOk());
  EXPECT_TRUE(std::filesystem::is_empty(spool_.path()));
}

// --- Artifacts
// ------------------------------------------------------------------------------------

TEST_F(Content, OfAnArtifactIsAFileForEachTitle) {
  add_artifact("r.test/art", "1",
               {add_titled("r.test/art", "app.jar", "jar"),
                add_titled("r.test/art", "conf/app.yaml", "a: b")});
  EXPECT_THAT(lines("r.test/art:1"), ElementsAre("app.jar=jar", "conf/app.yaml=a: b"));
  EXPECT_THAT(lines("r.test/art:1", "/conf"), ElementsAre("app.yaml=a: b"));
  EXPECT_THAT(lines("r.test/art:1", "/app.jar"), ElementsAre("app.jar=jar"));
  EXPECT_EQ(fetch("r.test/art:1")->tree.find("app.jar")->mode, 0644U);
}

TEST_F(Content, OfAnArtifactUnpacksItsTarsOneOnTheOther) {
  add_artifact(
      "r.test/art", "1",
      {add_tar({file("a", "1"), file("b", "1")}, "application/vnd.acme.content.v1.tar+gzip"),
       add_tar({file("b", "2")}, "application/x-tar"), add_titled("r.test/art", "c", "3")});
  EXPECT_THAT(lines("r.test/art:1"), ElementsAre("a=1", "b=2", "c=3"));
}

TEST_F(Content, OnlyAWholeWordMakesATar) {
  for (const auto* type :
       {"application/vnd.acme.target.v1+json", "application/x-start", "application/json+gzip"}) {
    add_artifact("r.test/art", "1", {add_titled("r.test/art", "f", "no tar", type)});
    EXPECT_THAT(lines("r.test/art:1"), ElementsAre("f=no tar")) << type;
  }
}

// `oras push` gives every file the type of a tar, and says which of them it packed.
TEST_F(Content, OfOrasFilesAreFilesAndItsFoldersAreUnpacked) {
  auto folder = add_tar({directory("site"), file("site/index.html", "hi")});
  folder.annotations["org.opencontainers.image.title"] = "site";
  folder.annotations["io.deis.oras.content.unpack"] = "true";
  add_artifact(
      "r.test/art", "1",
      {add_titled("r.test/art", "hello.txt", "hello", "application/vnd.oci.image.layer.v1.tar"),
       folder});
  EXPECT_THAT(lines("r.test/art:1"), ElementsAre("hello.txt=hello", "site", "site/index.html=hi"));
}

TEST_F(Content, OfAnImageTitlesDoNotMatter) {
  auto layer = add_tar({file("f", "x")});
  layer.annotations["org.opencontainers.image.title"] = "layer.tar";
  add_manifest("r.test/art", "1", std::string(oci::media_type::kOciConfig), "{}", {layer});
  EXPECT_THAT(lines("r.test/art:1"), ElementsAre("f=x"));
}

TEST_F(Content, OfAnArtifactNeedsATitleForWhatIsNoTar) {
  const auto layer = registry_.add_blob("r.test/art", "x", "text/plain");
  add_artifact("r.test/art", "1", {layer});
  EXPECT_THAT(fetch("r.test/art:1"),
              FailsWith(Errc::kUnsupported, "the artifact's layer " + layer.digest.short_hex() +
                                                " (text/plain) is no tar and has no title"));
}

struct BadTitle {
  std::string name, title, why;
};

class ContentTitles : public Content, public ::testing::WithParamInterface<BadTitle> {};

TEST_P(ContentTitles, ThatAreHostileAreRefused) {
  add_artifact("r.test/art", "1", {add_titled("r.test/art", GetParam().title, "x")});
  const auto content = fetch("r.test/art:1");
  EXPECT_THAT(content, FailsWith(Errc::kInvalid, "r.test/art:1: "));
  EXPECT_THAT(content, FailsWith(Errc::kInvalid, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(Table, ContentTitles,
                         ::testing::ValuesIn(std::vector<BadTitle>{
                             {"Up", "../x", "has a \"..\" part"},
                             {"UpInside", "a/../../x", "has a \"..\" part"},
                             {"Absolute", "/etc/passwd", "must be relative"},
                             {"Empty", "", "is empty"},
                             {"Whiteout", ".wh.index.html", "\"delete\" in an image layer"},
                             {"Opaque", "a/.wh..wh..opq", "\"delete\" in an image layer"},
                             {"NewLine", "a\nb", "has a control character"},
                             {"LongName", std::string(256, 'x'),
                              "has a part of more than 255 bytes"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(Content, TitlesThatDoNotFitTogetherAreRefused) {
  add_artifact("r.test/art", "1",
               {add_titled("r.test/art", "a", "1"), add_titled("r.test/art", "a/b", "2")});
  EXPECT_THAT(fetch("r.test/art:1"), FailsWith(Errc::kInvalid, "\"/a\" is a file"));
  add_artifact("r.test/art", "2",
               {add_tar({symlink("a", "/etc")}), add_titled("r.test/art", "a/passwd", "2")});
  EXPECT_THAT(fetch("r.test/art:2"), FailsWith(Errc::kInvalid, "\"/a\" is a symlink"));
}

}  // namespace
}  // namespace kiln::build
