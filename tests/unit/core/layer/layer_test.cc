#include "core/layer/layer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/layer/layer_check.h"
#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

FileTree site() {
  auto owned = directory("srv/data", 02775);
  owned.uid = 101;
  owned.gid = 2097152;
  return tree_of(
      {directory("usr"), directory("usr/share"), file("usr/share/index.html", "<h1>Hi</h1>\n"),
       file("usr/share/caf\xc3\xa9.txt", "menu"), symlink_to("usr/share/home", "index.html"),
       hardlink_to("usr/share/a-link", "usr/share/index.html"), whiteout("usr/share/zz-old"),
       directory("srv"), owned});
}

std::string bytes_of(const Blob& blob) {
  auto source = blob.open();
  return source.has_error() ? "" : *read_all(**source, 1 << 30);
}

TEST(Blob, OfBytesHasTheirDigestAndSize) {
  const auto blob = Blob::of("text/plain", "abc");
  EXPECT_EQ(blob.descriptor().media_type, "text/plain");
  EXPECT_EQ(blob.descriptor().size_bytes, 3U);
  EXPECT_EQ(blob.descriptor().digest.hex(), sha256_hex("abc"));
  EXPECT_EQ(bytes_of(blob), "abc");
  EXPECT_EQ(bytes_of(blob), "abc");
}

// The diff_id must be the same on every machine and in every release.
TEST(MakeLayer, PinsTheDigestsOfAKnownTree) {
  const auto layer = make_layer(site(), {});
  ASSERT_TRUE(layer.has_value()) << layer.error().message;
  EXPECT_EQ(layer->diff_id.hex(),
            "aad8495193bb09f3caee8acec556ba0c11b4b5b5943e697dfa44fe2f15f36d09");
  if (encoder_id(Compression::kGzip) == "igzip-2/1") {
    EXPECT_EQ(layer->blob.descriptor().digest.hex(),
              "a0805cd06acf546159f056e258c021ff043f2382c691974b41935ee845cab30d");
  }
  LayerOptions epoch;
  epoch.timestamps = {Timestamps::kEpoch};
  EXPECT_EQ(make_layer(site(), epoch)->diff_id.hex(),
            "8cd89b04e3adb33827b23bbf1aa724e99c735bf2d89c91eaf2cb091ef72b5e59");
}

TEST(MakeLayer, SaysWhatItMade) {
  const auto layer = make_layer(site(), {});
  ASSERT_TRUE(layer.has_value());
  EXPECT_EQ(layer->files, 2U);
  EXPECT_EQ(layer->content_bytes, 16U);

  auto source = layer->blob.open();
  const auto facts = check_layer(**source);
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->digest, layer->blob.descriptor().digest);
  EXPECT_EQ(facts->size_bytes, layer->blob.descriptor().size_bytes);
  EXPECT_EQ(facts->diff_id, layer->diff_id);
  EXPECT_EQ(facts->uncompressed_bytes, layer->uncompressed_bytes);
}

TEST(MakeLayer, PutsWhiteoutsBeforeSiblingsAndHardlinksLast) {
  LayerOptions options;
  options.compression = Compression::kZstd;
  const auto layer =
      make_layer(tree_of({directory("a"), file("a/b"), hardlink_to("a/a", "a/b"), whiteout("a/z"),
                          whiteout("m"), whiteout("a!"), directory("k"), file("k/k"), file("z")}),
                 options);
  ASSERT_TRUE(layer.has_value()) << layer.error().message;
  auto source = layer->blob.open();
  const auto listed = output_of("true") ? bytes_of(layer->blob) : "";
  ASSERT_FALSE(listed.empty());
  TempDir dir = *TempDir::create("kiln-layer-test");
  ASSERT_FALSE(write_file_atomically(dir.path() / "l.tar.zst", listed).has_error());
  const auto names =
      output_of("sh -c 'zstd -dc " + (dir.path() / "l.tar.zst").string() + " | tar -tf -'");
  if (!names) GTEST_SKIP() << "zstd or tar is not here";
  EXPECT_EQ(*names, ".wh.a!\n.wh.m\na/\na/.wh.z\na/b\nk/\nk/k\nz\na/a\n");
}

TEST(MakeLayer, GivesAHardlinkTheFactsOfItsFile) {
  auto target = file("b", "abc");
  target.mode = 0751;
  target.uid = 5;
  target.xattrs = {{"security.capability", "x"}};
  const auto layer = make_layer(tree_of({target, hardlink_to("a", "b")}), {});
  ASSERT_TRUE(layer.has_value());
  const auto index = index_bytes(bytes_of(layer->blob));
  ASSERT_TRUE(index.has_value());
  ASSERT_EQ(index->entries.size(), 2U);
  EXPECT_EQ(index->entries[0].kind, EntryKind::kHardlink);
  EXPECT_EQ(index->entries[0].link_target, "b");
  EXPECT_EQ(index->entries[0].mode, 0751U);
  EXPECT_EQ(index->entries[0].uid, 5U);
  const auto entries = read_tar(bytes_of(layer->blob));
  EXPECT_EQ(entries->back().found.entry.kind, EntryKind::kHardlink);
  EXPECT_EQ(entries->back().found.entry.xattrs, target.xattrs);
}

TEST(MakeLayer, RefusesAHardlinkToNoFileOfTheLayer) {
  for (const auto* target : {"nowhere", "dir", "link"}) {
    const auto layer = make_layer(
        tree_of({directory("dir"), symlink_to("link", "x"), hardlink_to("a", target)}), {});
    ASSERT_TRUE(layer.has_error()) << target;
    EXPECT_EQ(layer.error().code, Errc::kInvalid);
    EXPECT_EQ(layer.error().message, "\"/a\" is a hard link to \"/" + std::string(target) +
                                         "\", which is not a file of the same layer");
  }
}

TEST(MakeLayer, NamesTheMediaTypeOfItsFamily) {
  struct Case {
    Compression compression;
    bool docker;
    std::string_view type;
  };
  for (const auto& want : {Case{Compression::kGzip, false, oci::media_type::kOciLayerGzip},
                           Case{Compression::kGzip, true, oci::media_type::kDockerLayerGzip},
                           Case{Compression::kGzipSmall, false, oci::media_type::kOciLayerGzip},
                           Case{Compression::kZstd, false, oci::media_type::kOciLayerZstd}}) {
    LayerOptions options;
    options.compression = want.compression;
    options.docker_media_types = want.docker;
    EXPECT_EQ(make_layer(site(), options)->blob.descriptor().media_type, want.type);
  }
  LayerOptions mixed;
  mixed.compression = Compression::kZstd;
  mixed.docker_media_types = true;
  EXPECT_EQ(make_layer(site(), mixed).error().code, Errc::kInvalid);
}

TEST(MakeLayer, GivesTheSameBytesFromMemoryAndFromTheSpool) {
  auto big = tree_of({file("big", sample_bytes(3 << 20))});
  LayerOptions spooled;
  spooled.memory_limit_bytes = 1000;
  const auto in_memory = make_layer(big, {});
  const auto in_file = make_layer(big, spooled);
  ASSERT_TRUE(in_memory.has_value() && in_file.has_value());
  EXPECT_EQ(in_memory->blob.descriptor(), in_file->blob.descriptor());
  EXPECT_TRUE(bytes_of(in_memory->blob) == bytes_of(in_file->blob));
}

TEST(MakeLayer, SpoolsIntoAFileWithoutANameThatManyCanRead) {
  TempDir dir = *TempDir::create("kiln-layer-test");
  LayerOptions options;
  options.memory_limit_bytes = 0;
  options.spool_dir = dir.path().string();
  const auto layer = make_layer(tree_of({file("big", sample_bytes(100'000))}), options);
  ASSERT_TRUE(layer.has_value()) << layer.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));

  const Blob copy = layer->blob;
  auto one = *layer->blob.open();
  auto two = *copy.open();
  std::string first(1000, '\0'), second(1000, '\0');
  EXPECT_EQ(*one->read(first), 1000U);
  EXPECT_EQ(*two->read(second), 1000U);
  EXPECT_EQ(first, second);
  EXPECT_EQ(sha256_hex(bytes_of(copy)), copy.descriptor().digest.hex());
}

TEST(MakeLayer, ReportsASpoolThatCannotBe) {
  LayerOptions options;
  options.memory_limit_bytes = 0;
  options.spool_dir = "/nonexistent/spool";
  const auto layer = make_layer(tree_of({file("a", "x")}), options);
  ASSERT_TRUE(layer.has_error());
  EXPECT_EQ(layer.error().code, Errc::kNotFound);
  EXPECT_NE(layer.error().message.find("spooling a layer in /nonexistent/spool"),
            std::string::npos);
}

TEST(MakeLayer, PassesOnTheErrorOfTheContent) {
  Entry gone("gone", EntryKind::kFile);
  gone.content = FileContent(1, []() -> Result<std::unique_ptr<ByteSource>> {
    return Error(Errc::kUnavailable, "the source went away");
  });
  const auto layer = make_layer(tree_of({gone}), {});
  ASSERT_TRUE(layer.has_error());
  EXPECT_EQ(layer.error().code, Errc::kUnavailable);
  EXPECT_EQ(layer.error().message, "reading \"/gone\": the source went away");
}

std::string check_error(const std::string& bytes) {
  MemorySource source(bytes);
  const auto facts = check_layer(source);
  return facts.has_error() ? facts.error().message : "";
}

TEST(CheckLayer, FindsWhatImageSpecForbids) {
  EXPECT_EQ(check_error(tar_of({directory("a"), file("a/b")})), "");
  EXPECT_EQ(check_error(tar_of({file("a/b")})), "");
  EXPECT_EQ(check_error(tar_of({file("a"), file("a")})), "\"/a\" stands twice in the layer");
  EXPECT_EQ(check_error(tar_of({directory("a"), file("a")})), "\"/a\" stands twice in the layer");
  EXPECT_EQ(check_error(tar_of({file("a/b"), directory("a")})),
            "\"/a\" comes after what is in it in the layer");
  EXPECT_EQ(check_error(tar_of({hardlink_to("a", "b"), file("b")})),
            "\"/a\" is a hard link to something that comes later");
  EXPECT_NE(check_error("not a tar at all"), "");
  EXPECT_NE(check_error(""), "");
}

}  // namespace
}  // namespace kiln::layer
