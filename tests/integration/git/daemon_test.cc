// git:// is refused by name, also where a server for it is at hand and others lead there.
#include "tests/integration/git/git_fixture.h"

namespace kiln::source {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kDaemon = "/usr/lib/git-core/git-daemon";

class GitDaemonTest : public GitHttpTest {
 protected:
  void SetUp() override {
    GitHttpTest::SetUp();
    if (!server) return;
    if (!std::filesystem::exists(kDaemon)) GTEST_SKIP() << "there is no " << kDaemon;
    repository("open.git").commit({{"a", "bytes of a"}});
    port_ = free_port();
    daemon_.emplace(
        std::vector<std::string>{kDaemon, "--verbose", "--export-all", "--listen=127.0.0.1",
                                 "--port=" + std::to_string(port_),
                                 "--base-path=" + server->repositories().string()},
        cache.path() / "log");
    daemon_->wait_for_port(port_);
  }
  std::string address() const { return "git://127.0.0.1:" + std::to_string(port_) + "/open.git"; }
  /// What the daemon says of those who asked it for something.
  std::string log() const { return read_file(cache.path() / "log", 1 << 20).value(); }

 private:
  std::uint16_t port_ = 0;
  std::optional<ServerProcess> daemon_;
};

TEST_F(GitDaemonTest, ItsAddressIsNoAddressOfARepository) {
  ASSERT_THAT(repository("copy.git").git({"ls-remote", address()}), HasSubstr("refs/heads/main"));

  EXPECT_THAT(GitUrl::parse(address()),
              FailsWith(Errc::kInvalid, "must start with https://, http:// or ssh://"));
}

TEST_F(GitDaemonTest, ASubmoduleDoesNotLeadThere) {
  const auto made = repository();
  made.commit({{".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = " + address() + "\n"},
               {"x", {std::string(40, '1'), "160000"}},
               {"a", "bytes of a"}});
  auto wanted = request();
  wanted.submodules = true;

  EXPECT_THAT(fetch(wanted), FailsWith(Errc::kInvalid, "must start with https://, http:// or ssh"));
  EXPECT_THAT(log(), Not(HasSubstr("Request upload-pack")));
}

}  // namespace
}  // namespace kiln::source
