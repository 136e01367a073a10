#include "cli/build_memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "core/base/file.h"

namespace kiln::cli {
namespace {

class BuildMemoryTest : public ::testing::Test {
 protected:
  static source::GitRequest request() {
    return source::GitRequest(*source::GitUrl::parse("https://h.example/a"));
  }
  static source::KnownContent known() {
    source::KnownContent content;
    content.revision = "main@sha1:" + std::string(40, 'a');
    content.identity = "identity";
    return content;
  }

  TempDir folder_ = std::move(*TempDir::create("kiln-memory-test-"));
  BuildMemory memory_{folder_.path() / "builds"};
};

TEST_F(BuildMemoryTest, KnowsWhatEarlierOnesRemembered) {
  const oci::Descriptor image("type", *oci::Digest::parse("sha256:" + std::string(64, 'a')), 7);
  memory_.remember_image("key", image);
  memory_.remember_content(request(), known());

  const BuildMemory later(folder_.path() / "builds");

  EXPECT_EQ(later.image("key"), image);
  EXPECT_EQ(later.image("other"), std::nullopt);
  ASSERT_TRUE(later.content(request()));
  EXPECT_EQ(later.content(request())->revision, known().revision);
  EXPECT_EQ(later.content(request())->identity, "identity");
}

TEST_F(BuildMemoryTest, TellsRequestsApartByAllThatDecidesWhatTheyGet) {
  memory_.remember_content(request(), known());
  const std::vector<std::function<void(source::GitRequest&)>> changes = {
      [](auto& one) { one.ref.branch = "next"; },
      [](auto& one) { one.sub_path = "public"; },
      [](auto& one) { one.include = {"**"}; },
      [](auto& one) { one.exclude = {"**"}; },
      [](auto& one) { one.submodules = true; },
      [](auto& one) { one.lfs = true; },
      [](auto& one) {
        one.credentials =
            *source::GitCredentials::parse({{"username", "me"}, {"password", "pw"}}, one.url);
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto other = request();
    changes[i](other);
    EXPECT_FALSE(memory_.content(other)) << i;
  }
}

TEST_F(BuildMemoryTest, TakesWhatIsBrokenForNothing) {
  memory_.remember_content(request(), known());
  memory_.remember_image("key", {"type", *oci::Digest::parse("sha256:" + std::string(64, 'a')), 7});
  for (const auto& file : std::filesystem::directory_iterator(folder_.path() / "builds"))
    ASSERT_TRUE(write_file_atomically(file.path(), "{\"digest\": 5"));

  EXPECT_FALSE(memory_.content(request()));
  EXPECT_FALSE(memory_.image("key"));
}

TEST_F(BuildMemoryTest, KeepsABoundedNumber) {
  std::filesystem::create_directories(folder_.path() / "builds");
  for (int i = 0; i < 600; ++i)
    std::ofstream(folder_.path() / "builds" / ("image-" + std::to_string(i))) << "{}";

  memory_.remember_content(request(), known());

  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder_.path() / "builds"))
    files += file.exists() ? 1 : 0;
  EXPECT_LE(files, 512U);
}

TEST_F(BuildMemoryTest, WithoutAFolderRemembersNothing) {
  const BuildMemory none("");
  none.remember_content(request(), known());

  EXPECT_FALSE(none.content(request()));
}

}  // namespace
}  // namespace kiln::cli
