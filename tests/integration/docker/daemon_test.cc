// The Docker daemon as core/store knows it, with a scripted one on a real Unix-domain socket.
#include <sys/socket.h>

#include <array>

#include "core/http/beast/client.h"
#include "core/store/docker_daemon.h"
#include "tests/integration/http/scripted_server.h"
#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

using http::Peer;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;

class DaemonTest : public StoreTest {
 protected:
  DockerConnection docker() {
    return {http::make_local_client(io_.get_executor(), socket_), socket_};
  }
  static void answer_ping(Peer& peer) {
    peer.read();
    peer.answer("OK", "200 OK", "Api-Version: 1.41\r\n");
  }
  /// Waits for the first bytes of the next request and leaves the rest of it unread.
  static void read_a_little(Peer& peer) {
    std::array<char, 1000> bytes{};
    EXPECT_GT(recv(peer.fd(), bytes.data(), bytes.size(), 0), 0);
  }
  Result<void> load(const image::ImageSet& images) {
    const auto daemon = docker_daemon(docker(), "", pool_);
    return put(*daemon, images, "site:1");
  }
  Result<oci::Digest> save() {
    return read_all_of(
        run(read_docker_daemon(docker(), "site:1", "docker-daemon:site:1", "", pool_)));
  }
  /// An image that is too large to be sent before the other side reads.
  static image::ImageSet large() {
    std::string noise;
    std::uint32_t seed = 1;
    while (noise.size() < 4'000'000)
      noise += static_cast<char>((seed = seed * 1664525U + 1013904223U) >> 24);
    return set_of(image_of(noise));
  }

  std::filesystem::path socket_ = directory_.path() / "docker.sock";
};

TEST_F(DaemonTest, GivesBackTheImageThatItWasGiven) {
  std::string archive;
  http::ScriptedServer daemon(
      [&](Peer& peer) {
        answer_ping(peer);
        const auto next = peer.read();
        if (next->has("POST /v1.41/images/load?quiet=1")) {
          archive = next->body;
          peer.answer("{\"stream\":\"Loaded image: site:1\\n\"}\r\n");
        } else if (next->has("GET /v1.41/images/site:1/get")) {
          peer.answer(archive);
        }
      },
      socket_);
  const auto images = large();

  ASSERT_THAT(load(images), IsOk());
  const auto digest = save();

  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*digest, images.top().digest);
}

TEST_F(DaemonTest, IsHeardWhenItRefusesAnImageBeforeItHasReadAllOfIt) {
  http::ScriptedServer daemon(
      [&](Peer& peer) {
        answer_ping(peer);
        read_a_little(peer);
        peer.answer(R"({"message":"authorization denied by plugin"})", "403 Forbidden",
                    "Connection: close\r\n");
      },
      socket_);
  EXPECT_THAT(load(large()), FailsWith(Errc::kDenied, "authorization denied by plugin"));
}

TEST_F(DaemonTest, IsMissedWhenItDiesWithHalfAnImage) {
  http::ScriptedServer daemon(
      [&](Peer& peer) {
        answer_ping(peer);
        read_a_little(peer);
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\nhalf");
      },
      socket_);
  EXPECT_THAT(save(), FailsWith(Errc::kUnavailable, socket_.string()));
}

TEST_F(DaemonTest, IsMissedWhenItDiesWhileItIsGivenAnImage) {
  http::ScriptedServer daemon(
      [&](Peer& peer) {
        answer_ping(peer);
        read_a_little(peer);
      },
      socket_);
  EXPECT_THAT(load(large()), FailsWith(Errc::kUnavailable, socket_.string()));
}

TEST_F(DaemonTest, IsNotThere) {
  EXPECT_THAT(save(), FailsWith(Errc::kUnavailable, "is the Docker daemon running?"));
}

}  // namespace
}  // namespace kiln::store
