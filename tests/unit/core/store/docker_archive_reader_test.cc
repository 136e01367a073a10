#include "core/store/docker_archive_reader.h"

#include <gtest/gtest.h>

#include "core/layer/tar_writer.h"
#include "core/store/oci_layout.h"
#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

std::string text_of(const layer::Blob& blob) {
  return read_all(**blob.open(), 1 << 24).value();
}

/// A tar of files ("name" → bytes) and symlinks ("name" → "-> target").
std::string tar_with_links(const std::map<std::string, std::string>& files) {
  StringSink sink;
  layer::TarWriter writer(sink, {layer::Timestamps::kEpoch});
  for (const auto& [name, bytes] : files) {
    const bool link = bytes.starts_with("-> ");
    layer::Entry entry(name, link ? layer::EntryKind::kSymlink : layer::EntryKind::kFile);
    if (link)
      entry.link_target = bytes.substr(3);
    else
      entry.content = layer::FileContent(std::make_shared<const std::string>(bytes));
    EXPECT_THAT(writer.add(entry), IsOk());
  }
  EXPECT_THAT(writer.finish(), IsOk());
  return sink.take();
}

/// One image of three layers, the third the same as the first, and its parts.
struct Parts {
  layer::Layer lower = plain_layer("a", "lower");
  layer::Layer upper = plain_layer("b", "upper");
  image::Image image =
      image::Image::scratch(*oci::Platform::parse("linux/amd64"), "2024-01-01T00:00:00Z", false)
          .with_layer(lower, {"2024-01-01T00:00:00Z", "lower"})
          .with_layer(upper, {"2024-01-01T00:00:00Z", "upper"})
          .with_layer(lower, {"2024-01-01T00:00:00Z", "lower"});
  std::string config = text_of(image.config_blob());
  std::string config_hex = image.config_blob().descriptor().digest.hex();

  std::string manifest(const std::string& config_name, const std::string& layers,
                       const std::string& names = "\"site:1\"") const {
    return R"([{"Config":")" + config_name + R"(","RepoTags":[)" + names + R"(],"Layers":[)" +
           layers + "]}]";
  }

  /// As dockerd before 25 saves it.
  std::map<std::string, std::string> legacy() const {
    return {{config_hex + ".json", config},
            {"aa/VERSION", "1.0"},
            {"aa/json", "{}"},
            {"aa/layer.tar", text_of(lower.blob)},
            {"bb/layer.tar", text_of(upper.blob)},
            {"cc/layer.tar", "-> ../aa/layer.tar"},
            {"manifest.json",
             manifest(config_hex + ".json", R"("aa/layer.tar","bb/layer.tar","cc/layer.tar")")},
            {"repositories", R"({"site":{"1":"cc"}})"}};
  }

  /// As dockerd saves it since 25.
  std::map<std::string, std::string> modern() const {
    const auto path = [](const oci::Digest& digest) { return "blobs/sha256/" + digest.hex(); };
    const auto one = path(lower.diff_id), two = path(upper.diff_id);
    return {{"blobs/sha256/" + config_hex, config},
            {one, text_of(lower.blob)},
            {two, text_of(upper.blob)},
            {"index.json", R"({"schemaVersion":2,"manifests":[]})"},
            {"oci-layout", kLayoutFile},
            {"manifest.json", manifest("blobs/sha256/" + config_hex,
                                       "\"" + one + "\",\"" + two + "\",\"" + one + "\"")}};
  }

  /// As skopeo and podman write it.
  std::map<std::string, std::string> skopeo() const {
    const auto one = lower.diff_id.hex() + ".tar", two = upper.diff_id.hex() + ".tar";
    return {{config_hex + ".json", config},
            {one, text_of(lower.blob)},
            {two, text_of(upper.blob)},
            {"dd/layer.tar", "-> ../" + one},
            {"manifest.json",
             manifest(config_hex + ".json", "\"" + one + "\",\"" + two + "\",\"" + one + "\"",
                      "\"docker.io/library/site:1\"")}};
  }
};

class DockerArchiveReaderTest : public StoreTest {
 protected:
  Result<std::unique_ptr<ImageReader>> open(const std::map<std::string, std::string>& files,
                                            const std::string& image = "") {
    auto archive = ArchiveIndex::open(file("saved.tar", tar_with_links(files)), "");
    if (!archive) return archive.error();
    return open_docker_image(std::move(*archive), image, "docker-archive:there", pool_);
  }

  const Parts parts_;
};

TEST_F(DockerArchiveReaderTest, ReadsWhatDockerPodmanAndSkopeoSaveToOneDigest) {
  for (const auto& files : {parts_.legacy(), parts_.modern(), parts_.skopeo()}) {
    const auto digest = read_all_of(open(files, "site:1"));
    ASSERT_THAT(digest, IsOk());
    EXPECT_EQ(*digest, parts_.image.manifest().digest);
  }
}

TEST_F(DockerArchiveReaderTest, KeepsGzipLayersAsTheyAre) {
  // As `crane pull` and Bazel write it; the config's name says nothing of its bytes.
  const auto image = image_of("text");
  std::map<std::string, std::string> files;
  std::string names;
  for (const auto& layer : image.layers()) {
    const auto name = layer.descriptor.digest.hex() + ".tar.gz";
    names += (names.empty() ? "\"" : ",\"") + name + "\"";
    files[name] = text_of(*layer.blob);
  }
  files["sha256:config"] = text_of(image.config_blob());
  files["manifest.json"] = parts_.manifest("sha256:config", names);

  const auto digest = read_all_of(open(files));

  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*digest, image.manifest().digest);
}

TEST_F(DockerArchiveReaderTest, ReadsZstdLayers) {
  const auto image = image_of("text", "linux/amd64", layer::Compression::kZstd);
  const auto& layers = image.layers();
  const auto digest =
      read_all_of(open({{"1.tar", text_of(*layers[0].blob)},
                        {"2.tar", text_of(*layers[1].blob)},
                        {"c.json", text_of(image.config_blob())},
                        {"manifest.json", parts_.manifest("c.json", R"("1.tar","2.tar")")}}));
  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*digest, image.manifest().digest);
}

TEST_F(DockerArchiveReaderTest, LocatesTheConfigToo) {
  const auto reader = open(parts_.legacy());
  ASSERT_THAT(reader, IsOk());
  const auto source = run((*reader)->locate(parts_.image.config_blob().descriptor()));
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(text_of(*source->blob), parts_.config);
}

TEST_F(DockerArchiveReaderTest, HasNothingButItsImage) {
  const auto reader = open(parts_.legacy());
  ASSERT_THAT(reader, IsOk());
  const auto other = layer::Blob::of("x", "other").descriptor();
  EXPECT_THAT(run((*reader)->manifest(other)), FailsWith(Errc::kNotFound, other.digest.str()));
  EXPECT_THAT(run((*reader)->small_blob(other)), FailsWith(Errc::kNotFound, other.digest.str()));
  EXPECT_THAT(run((*reader)->locate(other)), FailsWith(Errc::kNotFound, other.digest.str()));
  EXPECT_THAT(run((*reader)->fetch(other)), FailsWith(Errc::kNotFound, other.digest.str()));
}

TEST_F(DockerArchiveReaderTest, ChecksPlainLayersAgainstTheConfigWhenTheyAreRead) {
  auto files = parts_.legacy();
  files["bb/layer.tar"] = damaged(files["bb/layer.tar"]);
  const auto reader = open(files);
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(read_all_of(**reader), FailsWith(Errc::kCorrupt, parts_.upper.diff_id.str()));
}

TEST_F(DockerArchiveReaderTest, ReadsAnArchiveWithoutManifestJsonAsALayout) {
  const auto image = image_of("text");
  oci::Index index{std::string(oci::media_type::kOciIndex)};
  index.manifests.push_back(image.manifest().descriptor());
  index.manifests.back().annotations["io.containerd.image.name"] = "docker.io/library/site:1";
  const auto path = [](const oci::Digest& digest) { return "blobs/sha256/" + digest.hex(); };
  std::map<std::string, std::string> files{
      {"oci-layout", kLayoutFile},
      {"index.json", index.to_json()},
      {path(image.manifest().digest), image.manifest().bytes},
      {path(image.config_blob().descriptor().digest), text_of(image.config_blob())}};
  for (const auto& layer : image.layers())
    files[path(layer.descriptor.digest)] = text_of(*layer.blob);

  EXPECT_EQ(*read_all_of(open(files, "site:1")), image.manifest().digest);
  EXPECT_THAT(open(files, "other:1"), FailsWith(Errc::kNotFound, "the tag other:1"));
}

struct Hostile {
  std::string name;
  std::map<std::string, std::string> changes;  // "" = the file is left out.
  Errc code;
  std::string why;
};

class DockerArchiveReaderRefuses : public DockerArchiveReaderTest,
                                   public ::testing::WithParamInterface<Hostile> {};

TEST_P(DockerArchiveReaderRefuses, WithAReason) {
  auto files = parts_.legacy();
  for (const auto& [name, bytes] : GetParam().changes) {
    const auto real = name == "CONFIG" ? parts_.config_hex + ".json" : name;
    if (bytes.empty())
      files.erase(real);
    else
      files[real] = bytes;
  }
  EXPECT_THAT(read_all_of(open(files)), FailsWith(GetParam().code, GetParam().why));
}

std::string gzip_of(const std::string& path, const std::string& text) {
  return text_of(layer_of(path, text).blob);
}

std::string manifest_of(const std::string& layers) {
  const Parts parts;
  return parts.manifest(parts.config_hex + ".json", layers);
}

INSTANTIATE_TEST_SUITE_P(
    Open, DockerArchiveReaderRefuses,
    ::testing::ValuesIn(std::vector<Hostile>{
        {"AnotherTar",
         {{"manifest.json", ""}, {"repositories", ""}},
         Errc::kInvalid,
         "this is no archive of `docker save`: there is no manifest.json in"},
        {"AnArchiveFromBefore2016",
         {{"manifest.json", ""}},
         Errc::kUnsupported,
         "this is an archive of Docker before 1.10"},
        {"ABrokenManifest", {{"manifest.json", "[{"}}, Errc::kCorrupt, "manifest.json: "},
        {"AConfigThatIsMissing", {{"CONFIG", ""}}, Errc::kNotFound, "there is no "},
        {"AConfigOfOtherBytes", {{"CONFIG", "{}"}}, Errc::kCorrupt, "it has other bytes"},
        {"AConfigOutside",
         {{"manifest.json", R"([{"Config":"../../etc/passwd","Layers":[]}])"}},
         Errc::kInvalid,
         "\"../../etc/passwd\" leads out of"},
        {"AConfigBehindALinkOutside",
         {{"CONFIG", "-> /etc/passwd"}},
         Errc::kNotFound,
         "there is no "},
        {"TooFewLayers",
         {{"manifest.json", manifest_of(R"("aa/layer.tar","bb/layer.tar")")}},
         Errc::kCorrupt,
         "manifest.json names 2 layers, but "},
        {"ALayerThatIsMissing",
         {{"bb/layer.tar", ""}},
         Errc::kNotFound,
         "there is no bb/layer.tar"},
        {"ALayerBehindALoop",
         {{"bb/layer.tar", "-> ../bb/layer.tar"}},
         Errc::kInvalid,
         "leads through more than 40 symlinks"},
        {"LayersInAnotherOrder",
         {{"manifest.json", manifest_of(R"("bb/layer.tar","aa/layer.tar","cc/layer.tar")")}},
         Errc::kCorrupt,
         "has other bytes"},
        {"AGzipLayerOfAnotherTar",
         {{"bb/layer.tar", gzip_of("b", "other")}},
         Errc::kCorrupt,
         "bb/layer.tar in"},
        {"ABrokenGzipLayer",
         {{"bb/layer.tar", gzip_of("b", "upper").substr(0, 30)}},
         Errc::kCorrupt,
         "bb/layer.tar in"},
        {"AnXzLayer",
         {{"bb/layer.tar", std::string("\xfd"
                                       "7zXZ\0\0",
                                       7)}},
         Errc::kUnsupported,
         "is packed with something else than gzip or zstd"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::store
