#include "core/store/layout_reader.h"

#include <gtest/gtest.h>

#include "core/store/archive_index.h"
#include "core/store/oci_layout.h"
#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

std::string blob_name(const std::string& bytes) {
  return "blobs/sha256/" + oci::Digest::of(bytes).hex();
}

/// An index.json with one entry for `bytes`.
std::string index_for(const std::string& bytes,
                      std::string_view type = oci::media_type::kOciManifest,
                      std::optional<std::uint64_t> size = std::nullopt) {
  oci::Index index{std::string(oci::media_type::kOciIndex)};
  index.manifests.emplace_back(std::string(type), oci::Digest::of(bytes),
                               size.value_or(bytes.size()));
  return index.to_json();
}

class LayoutReaderTest : public StoreTest {
 protected:
  Result<std::unique_ptr<ImageReader>> open(const std::map<std::string, std::string>& files,
                                            const LayoutChoice& choice = LayoutChoice()) {
    auto archive = ArchiveIndex::open(file("layout.tar", tar_of(files)), "");
    if (!archive) return archive.error();
    return open_layout_image(std::move(*archive), choice, "oci:there", pool_);
  }
};

struct Hostile {
  std::string name;
  std::map<std::string, std::string> files;
  Errc code;
  std::string why;
};

class LayoutReaderRefuses : public LayoutReaderTest,
                            public ::testing::WithParamInterface<Hostile> {};

TEST_P(LayoutReaderRefuses, WithAReason) {
  EXPECT_THAT(read_all_of(open(GetParam().files)), FailsWith(GetParam().code, GetParam().why));
}

const std::string kText = "no manifest";
const std::string kEmptyManifest = R"({"schemaVersion":2,"config":{"digest":")" +
                                   oci::Digest::of("{}").str() +
                                   R"(","size":2,"mediaType":"x"},"layers":[]})";

/// It is told to be what it names: only a wrong digest can make a loop.
const std::string kLoop = index_for(kText, oci::media_type::kOciIndex, 222);

INSTANTIATE_TEST_SUITE_P(
    Open, LayoutReaderRefuses,
    ::testing::ValuesIn(std::vector<Hostile>{
        {"NoLayout",
         {{"x", "y"}},
         Errc::kInvalid,
         "this is no OCI layout: there is no oci-layout in"},
        {"NoIndex",
         {{"oci-layout", kLayoutFile}},
         Errc::kInvalid,
         "this is no OCI layout: there is no index.json in"},
        {"AnotherVersion",
         {{"oci-layout", R"({"imageLayoutVersion":"2.0.0"})"}, {"index.json", index_for(kText)}},
         Errc::kUnsupported,
         "says version \"2.0.0\"; this program reads 1.0.0"},
        {"AVersionThatIsNoJson",
         {{"oci-layout", "1.0.0 "}, {"index.json", index_for(kText)}},
         Errc::kCorrupt,
         "oci-layout in "},
        {"AnIndexThatIsNoJson",
         {{"oci-layout", kLayoutFile}, {"index.json", "{"}},
         Errc::kCorrupt,
         "index.json in "},
        {"AnIndexWithADigestThatIsAPath",
         {{"oci-layout", kLayoutFile},
          {"index.json", R"({"manifests":[{"digest":"sha256:../../etc/passwd","size":1}]})"}},
         Errc::kCorrupt,
         "digest must have 64 hex digits"},
        {"AManifestThatIsMissing",
         {{"oci-layout", kLayoutFile}, {"index.json", index_for(kText)}},
         Errc::kNotFound,
         "blob " + oci::Digest::of(kText).str() + " is missing"},
        {"AManifestOfOtherBytes",
         {{"oci-layout", kLayoutFile},
          {"index.json", index_for(kText)},
          {blob_name(kText), "ni manifest"}},
         Errc::kCorrupt,
         "has other bytes"},
        {"AManifestOfAnotherSize",
         {{"oci-layout", kLayoutFile},
          {"index.json", index_for(kText, oci::media_type::kOciManifest, 5)},
          {blob_name(kText), kText}},
         Errc::kCorrupt,
         "has at least 11 bytes, its descriptor says 5"},
        {"AnIndexThatNamesItself",
         {{"oci-layout", kLayoutFile},
          {"index.json", index_for(kText, oci::media_type::kOciIndex, kLoop.size())},
          {blob_name(kText), kLoop}},
         Errc::kCorrupt,
         "has other bytes"},
        {"AManifestThatIsNone",
         {{"oci-layout", kLayoutFile}, {"index.json", index_for(kText)}, {blob_name(kText), kText}},
         Errc::kCorrupt,
         oci::Digest::of(kText).str()},
        {"AHugeManifest",
         {{"oci-layout", kLayoutFile},
          {"index.json", index_for(kText, oci::media_type::kOciManifest, 1ULL << 40)},
          {blob_name(kText), kText}},
         Errc::kInvalid,
         "more than the allowed 8388608 of a manifest or config"},
        {"AConfigThatIsMissing",
         {{"oci-layout", kLayoutFile},
          {"index.json", index_for(kEmptyManifest)},
          {blob_name(kEmptyManifest), kEmptyManifest}},
         Errc::kNotFound,
         "blob " + oci::Digest::of("{}").str() + " is missing"},
        {"AnIndexThatIsAFolder",
         {{"oci-layout", kLayoutFile}, {"index.json/x", ""}},
         Errc::kInvalid,
         "index.json in"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(LayoutReaderTest, RefusesAnIndexThatIsTooLarge) {
  const std::string huge = "{\"x\":\"" + std::string(17 << 20, 'x') + "\"}";
  EXPECT_THAT(open({{"oci-layout", kLayoutFile}, {"index.json", huge}}),
              FailsWith(Errc::kInvalid, "more than the allowed 16777216"));
}

TEST_F(LayoutReaderTest, AnswersTheTypeThatTheManifestItselfHas) {
  const auto set = index_of("text");
  const auto bytes = set.top().bytes;
  const auto reader = open({{"oci-layout", kLayoutFile},
                            {"index.json", index_for(bytes, oci::media_type::kOciManifest)},
                            {blob_name(bytes), bytes}});
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(run((*reader)->top())->media_type, oci::media_type::kOciIndex);
}

TEST_F(LayoutReaderTest, FindsByDigestWhatIndexJsonDoesNotName) {
  const auto image = image_of("text");
  const auto bytes = image.manifest().bytes;
  const auto reader = open({{"oci-layout", kLayoutFile},
                            {"index.json", R"({"manifests":[]})"},
                            {blob_name(bytes), bytes}},
                           LayoutChoice("", oci::Digest::of(bytes)));
  ASSERT_THAT(reader, IsOk());
  const auto top = run((*reader)->top());
  EXPECT_EQ(top->digest, image.manifest().digest);
  EXPECT_EQ(top->media_type, oci::media_type::kOciManifest);
  EXPECT_EQ((*reader)->name(), "oci:there");
}

TEST_F(LayoutReaderTest, LocatesALayerThatMustNotBeDistributedWithoutHavingIt) {
  const auto reader = open({{"oci-layout", kLayoutFile}, {"index.json", index_for(kText)}});
  ASSERT_THAT(reader, IsOk());
  const oci::Descriptor foreign("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                                oci::Digest::of("windows"), 7);
  const auto source = run((*reader)->locate(foreign));
  ASSERT_THAT(source, IsOk());
  EXPECT_THAT(source->blob->open(), FailsWith(Errc::kNotFound, "is missing"));
}

}  // namespace
}  // namespace kiln::store
