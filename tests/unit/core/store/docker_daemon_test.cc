#include "core/store/docker_daemon.h"

#include <gtest/gtest.h>

#include "core/store/docker_archive.h"
#include "tests/support/scripted_http.h"
#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

class DockerDaemonTest : public StoreTest {
 protected:
  DockerConnection docker() { return {http_, socket_}; }
  void answer_ping() { http_->answer(200, "OK", {{"Api-Version", "1.41"}}); }
  Result<void> write(const image::ImageSet& images, const std::string& name) {
    const auto daemon = docker_daemon(docker(), "", pool_);
    return put(*daemon, images, name);
  }
  Result<oci::Digest> read(const std::string& name) {
    return read_all_of(run(read_docker_daemon(docker(), name, "docker-daemon:" + name, "", pool_)));
  }
  /// What open_docker_archive() writes of the same.
  std::string archive_of(const image::ImageSet& images, const std::string& name) {
    const auto path = directory_.path() / "same.tar";
    auto archive = open_docker_archive(path, "", pool_);
    EXPECT_THAT(put(**archive, images, name), IsOk());
    return bytes_of(path);
  }

  std::filesystem::path socket_ = directory_.path() / "docker.sock";
  std::shared_ptr<fakes::ScriptedClient> http_ = std::make_shared<fakes::ScriptedClient>();
};

TEST_F(DockerDaemonTest, IsGivenTheArchiveThatDockerLoadTakes) {
  const auto images = set_of(image_of("text"));
  answer_ping();
  http_->answer(200, "{\"stream\":\"Loaded image: site:1\\n\"}\r\n");

  ASSERT_THAT(write(images, "site:1"), IsOk());

  EXPECT_EQ(http_->seen_lines(),
            (std::vector<std::string>{"GET http://docker/_ping",
                                      "POST http://docker/v1.41/images/load?quiet=1"}));
  const auto& load = http_->seen()[1];
  EXPECT_EQ(load.headers.get("Content-Type"), "application/x-tar");
  const auto sent = fakes::body_text(load);
  EXPECT_EQ(sent.size(), load.body.size_bytes());
  EXPECT_EQ(sent, archive_of(images, "site:1"));
}

TEST_F(DockerDaemonTest, IsAskedWithoutAVersionWhereItTellsNone) {
  http_->answer(200, "OK");
  http_->answer(200, "");
  ASSERT_THAT(write(set_of(image_of("text")), "site:1"), IsOk());
  EXPECT_EQ(http_->seen_lines()[1], "POST http://docker/images/load?quiet=1");
}

TEST_F(DockerDaemonTest, IsGivenNothingBeforeTheManifest) {
  const auto daemon = docker_daemon(docker(), "", pool_);
  const auto blob = layer::Blob::of("x", "y");
  EXPECT_EQ(*run(daemon->put_blob(blob)), StoreResult::kStored);
  EXPECT_EQ(*run(daemon->put_blob(blob)), StoreResult::kAlreadyPresent);
  EXPECT_TRUE(*run(daemon->link_blob(blob.descriptor(), std::nullopt)));
  EXPECT_FALSE(daemon->holds_indexes());
  EXPECT_TRUE(http_->seen().empty());
}

TEST_F(DockerDaemonTest, FailsWhereALoadFailsThoughItIsAnsweredWith200) {
  answer_ping();
  http_->answer(200, R"({"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"})");
  EXPECT_THAT(
      write(set_of(image_of("text")), "site:1"),
      FailsWith(Errc::kInvalid, "the Docker daemon does not take the image: unexpected EOF"));
}

TEST_F(DockerDaemonTest, PassesOnARefusedLoad) {
  answer_ping();
  http_->answer(500, R"({"message":"no space left"})");
  EXPECT_THAT(write(set_of(image_of("text")), "site:1"),
              FailsWith(Errc::kUnavailable, "the Docker daemon answers 500: no space left"));
}

TEST_F(DockerDaemonTest, GivesAnImageByName) {
  const auto images = set_of(image_of("text"));
  answer_ping();
  const auto tar = archive_of(images, "team/site:1");
  http_->answer_stream(200, {tar.substr(0, 700), tar.substr(700)});

  const auto digest = read("team/site:1");

  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*digest, images.top().digest);
  EXPECT_EQ(http_->seen_lines()[1], "GET http://docker/v1.41/images/team/site:1/get");
}

TEST_F(DockerDaemonTest, SaysThatItHasNoSuchImage) {
  answer_ping();
  http_->answer(404, R"({"message":"reference does not exist"})");
  EXPECT_THAT(read("none:1"), FailsWith(Errc::kNotFound, "the Docker daemon has no image none:1"));
}

TEST_F(DockerDaemonTest, PassesOnARefusedSave) {
  answer_ping();
  http_->answer(403, R"({"message":"denied by plugin"})");
  EXPECT_THAT(read("site:1"), FailsWith(Errc::kDenied, "denied by plugin"));
}

TEST_F(DockerDaemonTest, FailsWhereTheImageIsCutShort) {
  const auto tar = archive_of(set_of(image_of("text")), "site:1");
  answer_ping();
  http_->answer_stream(200, {tar.substr(0, 700)}, fakes::StreamEnd::kCut);
  EXPECT_THAT(read("site:1"), FailsWith(Errc::kUnavailable, "connection was cut"));

  // What dockerd does when packing fails in the middle.
  answer_ping();
  http_->answer_stream(200, {tar.substr(0, 700), R"({"errorDetail":{"message":"x"}})"});
  EXPECT_THAT(read("site:1"), FailsWith(Errc::kCorrupt, "the Docker daemon's archive"));
}

TEST_F(DockerDaemonTest, SaysThatThereIsNoSocket) {
  http_->fail(Error(Errc::kUnavailable, "cannot connect"));
  EXPECT_THAT(read("site:1"),
              FailsWith(Errc::kUnavailable, "there is no socket " + socket_.string() +
                                                "; is the Docker daemon running? $DOCKER_HOST"));
}

TEST_F(DockerDaemonTest, AsksWhetherDockerRunsWhereNobodyListens) {
  file("docker.sock", "");
  http_->fail(Error(Errc::kUnavailable, "cannot connect: connection refused"));
  EXPECT_THAT(write(set_of(image_of("text")), "site:1"),
              FailsWith(Errc::kUnavailable,
                        "cannot connect: connection refused; is the Docker daemon running?"));
}

TEST(DockerSocket, IsTheUsualOneOrThatOfDockerHost) {
  EXPECT_EQ(*docker_socket(""), "/var/run/docker.sock");
  EXPECT_EQ(*docker_socket("unix:///run/user/1000/docker.sock"), "/run/user/1000/docker.sock");
}

TEST(DockerSocket, IsNotThatOfAnotherMachine) {
  for (const auto* host : {"tcp://10.0.0.1:2375", "ssh://me@host", "fd://", "unix://", "nonsense"})
    EXPECT_THAT(docker_socket(host),
                FailsWith(Errc::kUnsupported, "only a daemon on this machine is spoken to"))
        << host;
}

}  // namespace
}  // namespace kiln::store
