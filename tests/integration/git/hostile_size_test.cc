// Repositories that are small on the wire and large everywhere else, deep or many: what is within
// the limits is built right, what is not ends early and says which limit it was.
#include "tests/integration/git/hostile_fixture.h"
#include "tests/integration/git/pack_writer.h"
#include "tests/integration/http/scripted_server.h"

namespace kiln::source {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint64_t kMiB = 1 << 20;

class HostileSizeTest : public HostileRepositoryTest {
 protected:
  void limit(const GitLimits& limits) {
    options.limits = limits;
    new_client();
  }
  /// A tree of `depth` folders, each called `name`, around one file.
  Line nested(const std::string& name, int depth) const {
    Line line = file("file", "at the bottom");
    for (int level = 0; level < depth; ++level) line = folder(name, {line});
    return line;
  }
  /// As many copies of one file as there are, 1000 a folder.
  void commit_many(int folders) const {
    const auto blob = made->blob("x");
    std::string lines;
    for (int i = 0; i < 1000; ++i)
      lines += "100644 blob " + blob + "\tf" + std::to_string(i) + '\n';
    const auto tree = made->git({"mktree"}, lines);
    std::string root;
    for (int i = 0; i < folders; ++i)
      root += "040000 tree " + tree + "\td" + std::to_string(i) + '\n';
    made->set_ref("refs/heads/main", made->commit_tree(made->git({"mktree"}, root)));
  }
  /// A blob that is `mib` MiB of zeros, and a few KiB as it is sent.
  std::string bomb(std::size_t mib) const {
    const std::string zeros(8 * kMiB, '\0');
    PackWriter pack;
    pack.add_blob(zeros);
    pack.add_copies(made->blob(zeros), zeros.size(), mib / 8);
    made->git({"index-pack", "--stdin"}, pack.finish());
    const auto all = made->git({"cat-file", "--batch-all-objects", "--batch-check"});
    const auto size = " " + std::to_string(mib * kMiB);
    const auto line = all.rfind('\n', all.find(size)) + 1;
    return all.substr(line, all.find(' ', line) - line);
  }
};

TEST_F(HostileSizeTest, AHundredThousandFilesAreBuilt) {
  commit_many(100);

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.size(), 100'000U);
  EXPECT_EQ(*bytes_of(*content, "d99/f999"), "x");
}

TEST_F(HostileSizeTest, MoreFilesThanTheLimitAreRefused) {
  GitLimits limits;
  limits.paths = 99'999;
  limit(limits);
  commit_many(100);

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "the repository has more than 99999 files"));
}

TEST_F(HostileSizeTest, AThousandFoldersWithinEachOtherAreBuilt) {
  commit_raw({nested("d", 1000)});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  ASSERT_THAT(content->tree.entries(), SizeIs(1));
  const auto path = paths_of(*content).front();
  EXPECT_EQ(path.size(), 2004U);
  EXPECT_EQ(*bytes_of(*content, path), "at the bottom");
}

TEST_F(HostileSizeTest, APathThatNoSystemCanOpenIsRefused) {
  commit_raw({nested(std::string(50, 'n'), 100)});

  EXPECT_THAT(fetch_all(),
              FailsWith(Errc::kInvalid, "a path of the repository has more than 4096 bytes"));
}

TEST_F(HostileSizeTest, ALargeFileDoesNotNeedItsSizeInMemory) {
  GitLimits limits;
  limits.memory_bytes = 256 * kMiB;
  limit(limits);
  commit_raw({file("zeros", std::string(60 * kMiB, '\0')), file("small", "x")});
  made->git({"repack", "-a", "-d", "-q"});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("zeros")->content.size_bytes(), 60 * kMiB);
  EXPECT_TRUE(*bytes_of(*content, "zeros") == std::string(60 * kMiB, '\0'));
}

TEST_F(HostileSizeTest, APackThatUnpacksToMoreThanTheContentMayHaveIsRefused) {
  GitLimits limits;
  limits.content_bytes = 32 * kMiB;
  limit(limits);
  commit_raw({file("zeros", std::string(60 * kMiB, '\0'))});

  EXPECT_THAT(fetch_all(),
              FailsWith(Errc::kInvalid, "the files have more than the limit of 33554432 bytes"));
  EXPECT_LT(bytes_in_cache(), kMiB);
}

TEST_F(HostileSizeTest, ADeltaThatUnpacksToMoreThanTheMemoryIsRefused) {
  GitLimits limits;
  limits.memory_bytes = 256 * kMiB;
  limit(limits);
  const auto id = bomb(512);
  commit_raw({{"100644", "blob", id, "bomb"}, file("base", std::string(8 * kMiB, '\0'))});

  EXPECT_THAT(fetch_all(),
              FailsWith(Errc::kInvalid, "git needs more memory for this repository than it may"));
}

TEST_F(HostileSizeTest, MoreBytesThanAPackMayHaveEndTheFetch) {
  GitLimits limits;
  limits.fetch_bytes = kMiB;
  limit(limits);
  RepositoryMaker::Files files;
  for (unsigned i = 0; i < 20; ++i) files.emplace("f" + std::to_string(i), noise(i));
  made->commit(files);

  EXPECT_THAT(fetch_all(),
              FailsWith(Errc::kInvalid, "the server sends more than the limit of 1048576 bytes"));
  EXPECT_LT(bytes_in_cache(), kMiB / 2);  // No half of a pack stays.
}

TEST_F(HostileSizeTest, AMessageOfManyMegabytesIsNoMatter) {
  const auto tree = made->tree({{"100644", "blob", made->blob("x"), "a"}});
  const auto id = made->git({"commit-tree", tree}, std::string(20 * kMiB, 'm'));
  made->set_ref("refs/heads/main", id);

  EXPECT_THAT(fetch_all(), IsOk());
}

TEST_F(HostileSizeTest, AnIgnoreFileHasALimit) {
  commit_raw({file(".kilnignore", std::string(2 * kMiB, '#')), file("a")});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, ".kilnignore"));
}

TEST_F(HostileSizeTest, SettingsOfSubmodulesHaveALimit) {
  std::string modules;
  for (int i = 0; i < 40'000; ++i)
    modules += "[submodule \"s" + std::to_string(i) + "\"]\n\tpath = p\n\turl = ../x.git\n";
  commit_raw({file(".gitmodules", modules), {"160000", "commit", std::string(40, '1'), "p"}});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, ".gitmodules"));
}

TEST_F(HostileSizeTest, AListOfRefsThatNeverEndsIsGivenUp) {
  GitLimits limits;
  limits.memory_bytes = 256 * kMiB;
  limit(limits);
  const std::string block(kMiB, 'x');
  http::ScriptedServer endless([&](http::Peer& peer) {
    if (!peer.read()) return;
    peer.write(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"
        "001e# service=git-upload-pack\n0000");
    for (int i = 0; i < 2048; ++i) peer.write(block);
  });
  const auto url =
      GitUrl::parse("http://127.0.0.1:" + std::to_string(endless.port()) + "/a").value();

  const auto content = fetch(GitRequest(url));

  EXPECT_TRUE(content.has_error());
  EXPECT_THAT(content.error().message, HasSubstr("memory"));
}

}  // namespace
}  // namespace kiln::source
