#include "core/build/layer_records.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <vector>

#include "core/base/file.h"

namespace kiln::build {
namespace {

namespace fs = std::filesystem;

LayerRecord record_of(const std::string& bytes) {
  oci::Descriptor descriptor("application/vnd.oci.image.layer.v1.tar+gzip", oci::Digest::of(bytes),
                             bytes.size());
  return LayerRecord(std::move(descriptor), oci::Digest::of("tar of " + bytes), 3 * bytes.size());
}

class Records : public ::testing::Test {
 protected:
  fs::path only_file() const {
    for (const auto& at : fs::recursive_directory_iterator(folder_.path()))
      if (at.is_regular_file()) return at.path();
    return {};
  }

  TempDir folder_ = *TempDir::create("kiln-records");
  LayerRecords records_{folder_.path() / "layer-records"};
};

TEST_F(Records, AreFoundByWhoeverOpensTheFolderNext) {
  records_.keep("this tree, this encoder", record_of("layer"));
  const LayerRecords next(folder_.path() / "layer-records");
  EXPECT_EQ(next.find("this tree, this encoder"), record_of("layer"));
}

TEST_F(Records, OfAnotherKeyAreOtherRecords) {
  records_.keep("tree igzip-2/1", record_of("layer"));
  for (const auto* key : {"tree zlib-6/1", "tree", "", "tree igzip-2/1 docker"})
    EXPECT_EQ(records_.find(key), std::nullopt) << key;
}

TEST_F(Records, OfTheSameKeyTakeThePlaceOfTheOlder) {
  records_.keep("key", record_of("one"));
  records_.keep("key", record_of("two"));
  EXPECT_EQ(records_.find("key"), record_of("two"));
}

TEST_F(Records, ThatAreDamagedAreAsIfTheyHadNeverBeenThere) {
  records_.keep("key", record_of("layer"));
  const auto path = only_file();
  const auto whole = *read_file(path, 4096);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    (void)write_file_atomically(path, damaged, 0600).value();
    EXPECT_EQ(records_.find("key"), std::nullopt) << "byte " << i;
  }
  for (const std::size_t size : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
    (void)write_file_atomically(path, whole.substr(0, size), 0600).value();
    EXPECT_EQ(records_.find("key"), std::nullopt) << size << " bytes";
  }
  (void)write_file_atomically(path, whole, 0600).value();
  EXPECT_EQ(records_.find("key"), record_of("layer"));
}

TEST_F(Records, OfOneNameAreNotBelievedUnderAnother) {
  records_.keep("one", record_of("layer"));
  const auto one = only_file();
  records_.keep("two", record_of("other"));
  fs::path two;
  for (const auto& at : fs::recursive_directory_iterator(folder_.path()))
    if (at.is_regular_file() && at.path() != one) two = at.path();
  fs::rename(one, two);
  EXPECT_EQ(records_.find("two"), std::nullopt);
}

TEST_F(Records, ThatOthersMayWriteAreNotBelieved) {
  records_.keep("key", record_of("layer"));
  ASSERT_EQ(::chmod(only_file().c_str(), 0666), 0);
  EXPECT_EQ(records_.find("key"), std::nullopt);
}

TEST_F(Records, ThatNobodyAskedForLongestGoFirst) {
  records_.keep("key", record_of("layer"));
  const auto folder = only_file().parent_path();
  const auto now = fs::file_time_type::clock::now();
  for (int i = 0; i < 40; ++i) {
    const auto path = folder / ("hour " + std::to_string(i));
    (void)write_file_atomically(path, "another record").value();
    fs::last_write_time(path, now - std::chrono::hours(i + 1));
  }
  fs::last_write_time(only_file(), now - std::chrono::hours(1000));
  ASSERT_EQ(records_.find("key"), record_of("layer"));

  records_.keep("key", record_of("layer"));

  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 32);
  EXPECT_TRUE(fs::exists(folder / "hour 0"));
  EXPECT_FALSE(fs::exists(folder / "hour 39"));
  EXPECT_EQ(records_.find("key"), record_of("layer"));
}

TEST_F(Records, AreAllGoneWhenOneWasWrong) {
  records_.keep("one", record_of("layer"));
  EXPECT_FALSE(records_.were_wrong());
  records_.forget_all();
  EXPECT_TRUE(records_.were_wrong());
  EXPECT_EQ(LayerRecords(folder_.path() / "layer-records").find("one"), std::nullopt);
}

TEST_F(Records, WithoutAFolderAreNone) {
  LayerRecords none("");
  none.keep("key", record_of("layer"));
  EXPECT_EQ(none.find("key"), std::nullopt);
}

}  // namespace
}  // namespace kiln::build
