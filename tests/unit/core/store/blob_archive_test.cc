#include "core/store/blob_archive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/layer/tar_writer.h"
#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

/// What layer::TarWriter makes of the same entries.
std::string written(const std::vector<std::pair<std::string, std::string>>& entries) {
  StringSink sink;
  layer::TarWriter writer(sink, {layer::Timestamps::kEpoch});
  for (const auto& [name, text] : entries) {
    const bool folder = name.ends_with('/');
    layer::Entry entry(name.substr(0, name.size() - (folder ? 1 : 0)),
                       folder ? layer::EntryKind::kDirectory : layer::EntryKind::kFile);
    entry.mode = folder ? 0755 : 0644;
    if (!folder) entry.content = layer::FileContent(std::make_shared<const std::string>(text));
    EXPECT_THAT(writer.add(entry), IsOk());
  }
  EXPECT_THAT(writer.finish(), IsOk());
  return sink.take();
}

TEST(BlobArchive, IsWhatTarWriterWouldWriteByNameWithFoldersFirst) {
  const std::string long_name = "blobs/" + std::string(300, 'x');
  const std::string block(512, 'b');

  const auto tar = tar_of({{"index.json", "{}"},
                           {"blobs/sha256/b", block},
                           {long_name, "long"},
                           {"blobs/sha256/a", ""},
                           {"a-file", "first"}});

  EXPECT_EQ(tar, written({{"a-file", "first"},
                          {"blobs/", ""},
                          {"blobs/sha256/", ""},
                          {"blobs/sha256/a", ""},
                          {"blobs/sha256/b", block},
                          {long_name, "long"},
                          {"index.json", "{}"}}));
}

TEST(BlobArchive, KnowsItsSizeBefore) {
  BlobArchive archive;
  EXPECT_EQ(archive.size_bytes(), 1024U);
  for (const std::size_t size : {0U, 1U, 511U, 512U, 513U, 70'000U}) {
    archive.add("dir/" + std::to_string(size), layer::Blob::of("x", std::string(size, 'x')));
    EXPECT_EQ(archive.size_bytes(), read_all(*archive.open(), 1 << 20)->size());
  }
}

TEST(BlobArchive, GivesTheSameBytesInStepsOfAnySize) {
  BlobArchive archive;
  archive.add("a/b", layer::Blob::of("x", std::string(1000, 'x')));
  archive.add("c", layer::Blob::of("x", "y"));
  const auto whole = read_all(*archive.open(), 1 << 20).value();
  for (const std::size_t step : {1U, 7U, 512U, 100'000U}) {
    const auto source = archive.open();
    std::string buffer(step, '\0');
    std::string all;
    for (;;) {
      const auto count = source->read(buffer);
      ASSERT_THAT(count, IsOk());
      if (*count == 0) break;
      all += buffer.substr(0, *count);
    }
    EXPECT_EQ(all, whole) << step;
  }
}

TEST(BlobArchive, PassesNoBlobOnWhoseBytesAreOthers) {
  const auto right = layer::Blob::of("x", "content");
  for (const std::string other : {"cintent", "cont", "contents"}) {
    BlobArchive archive;
    archive.add("a", layer::Blob(right.descriptor(),
                                 [other] { return layer::Blob::of("x", other).open(); }));
    EXPECT_THAT(read_all(*archive.open(), 1 << 20),
                FailsWith(Errc::kCorrupt, right.descriptor().digest.str()));
  }
}

TEST(BlobArchive, PassesTheErrorsOfItsBlobsOn) {
  BlobArchive archive;
  archive.add("a", layer::Blob(layer::Blob::of("x", "y").descriptor(),
                               []() -> Result<std::unique_ptr<ByteSource>> {
                                 return Error(Errc::kNotFound, "it is gone");
                               }));
  EXPECT_THAT(read_all(*archive.open(), 1 << 20), FailsWith(Errc::kNotFound, "it is gone"));
}

}  // namespace
}  // namespace kiln::store
