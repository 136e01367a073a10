// One content from several kinds of sources: where names, bytes, modes and times are the same, so
// is the layer.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "core/source/directory_source.h"
#include "core/source/tar_source.h"
#include "tests/unit/core/build/build_fixture.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::build {
namespace {

using testing::IsOk;

constexpr auto kPlace = "/usr/share/nginx/html";
std::vector<std::pair<std::string, std::string>> names_and_bytes() {
  return {
      {"css/site.css", "h1 { color: teal }\n"}, {"empty", ""}, {"index.html", "<h1>hello</h1>\n"}};
}

class SameContent : public BuildFixture {
 protected:
  SameContent() {
    for (const auto& [name, bytes] : names_and_bytes()) {
      std::filesystem::create_directories((folder() / name).parent_path());
      (void)write_file_atomically(folder() / name, bytes).value();
    }
  }

  std::filesystem::path folder() const { return files_.path() / "site"; }

  std::shared_ptr<source::Source> named() const {
    std::vector<source::NamedFile> all;
    for (const auto& [name, bytes] : names_and_bytes()) all.emplace_back(name, bytes);
    std::reverse(all.begin(), all.end());  // The order does not matter.
    return files(std::move(all));
  }

  std::shared_ptr<source::Source> directory() {
    return std::make_shared<source::DirectorySource>(folder(), source::DirectoryOptions(), pool_);
  }

  std::shared_ptr<source::Source> tar(source::TarSource::Open open) {
    return std::make_shared<source::TarSource>("site.tar", std::move(open), layer::ReadLimits(), "",
                                               pool_);
  }

  /// What GNU tar makes of the folder, with all files as of `time`.
  std::shared_ptr<source::Source> gnu_tar(const std::string& time) {
    const auto archive = files_.path() / "site.tar";
    const auto command =
        "tar --create --file=" + archive.string() + " --mtime=" + time +
        " --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --directory=" + folder().string() +
        " index.html empty css";
    EXPECT_TRUE(layer::testing_support::output_of(command)) << command;
    return tar([archive]() -> Result<std::unique_ptr<ByteSource>> {
      auto fd = open_for_reading(archive);
      if (!fd) return std::move(fd).error();
      return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(std::move(*fd)));
    });
  }

  /// The layer that the source's content becomes.
  Result<layer::Layer> layer_of(std::shared_ptr<source::Source> from, const char* place = kPlace,
                                layer::Timestamps timestamps = layer::Timestamps::kContent) {
    auto request = std::make_shared<BuildRequest>();
    request->base.reference = *oci::Reference::parse("r.test/nginx:1.27");
    request->content.emplace_back(std::move(from), place);
    request->timestamps.kind = timestamps;
    auto built = run(builder_.assemble_all(request));
    if (!built) return std::move(built).error();
    if (built->layers.size() != 1) return Error(Errc::kInternal, "not one layer");
    return built->layers.front();
  }

  TempDir files_ = *TempDir::create("kiln-same");
};

TEST_F(SameContent, OfNamedBytesAndOfAFolderIsOneLayer) {
  const auto from_bytes = layer_of(named());
  const auto from_folder = layer_of(directory());
  ASSERT_THAT(from_bytes, IsOk());
  ASSERT_THAT(from_folder, IsOk());
  EXPECT_EQ(from_folder->diff_id, from_bytes->diff_id);
  EXPECT_EQ(from_folder->blob.descriptor(), from_bytes->blob.descriptor());
}

TEST_F(SameContent, TakenBackFromItsOwnLayerGivesThatLayerAgain) {
  const auto first = layer_of(named());
  ASSERT_THAT(first, IsOk());
  const auto again = layer_of(tar([blob = first->blob] { return blob.open(); }), "/");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->diff_id, first->diff_id);
  EXPECT_EQ(again->blob.descriptor(), first->blob.descriptor());
}

TEST_F(SameContent, OfATarWithTheSameTimesIsThatLayerToo) {
  const auto from_bytes = layer_of(named(), kPlace, layer::Timestamps::kEpoch);
  const auto from_tar = layer_of(gnu_tar("@1577836800"), kPlace, layer::Timestamps::kEpoch);
  ASSERT_THAT(from_bytes, IsOk());
  ASSERT_THAT(from_tar, IsOk());
  EXPECT_EQ(from_tar->diff_id, from_bytes->diff_id);
}

TEST_F(SameContent, OfATarWithTimesOfItsOwnIsAnotherLayer) {
  const auto from_bytes = layer_of(named());
  const auto from_tar = layer_of(gnu_tar("@1600000000"));
  ASSERT_THAT(from_bytes, IsOk());
  ASSERT_THAT(from_tar, IsOk());
  EXPECT_NE(from_tar->diff_id, from_bytes->diff_id);
  EXPECT_EQ(from_tar->content_bytes, from_bytes->content_bytes);
}

TEST_F(SameContent, WithAnotherModeIsAnotherLayer) {
  const auto before = layer_of(directory());
  std::filesystem::permissions(folder() / "empty", std::filesystem::perms::owner_exec,
                               std::filesystem::perm_options::add);
  const auto after = layer_of(directory());
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(after, IsOk());
  EXPECT_NE(after->diff_id, before->diff_id);
}

}  // namespace
}  // namespace kiln::build
