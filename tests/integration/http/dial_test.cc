// Names with several addresses, and names that change their mind.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <future>

#include "tests/integration/http/client_fixture.h"

namespace kiln::http {
namespace {

namespace ip = boost::asio::ip;
using std::chrono::milliseconds;
using testing::HasSubstr;
using Addresses = std::vector<ip::address>;

Addresses addresses(std::initializer_list<const char*> texts) {
  Addresses list;
  for (const auto* text : texts) list.push_back(ip::make_address(text));
  return list;
}

/// A port that takes connections into a full queue, so that new ones wait for ever.
class BlackHole {
 public:
  BlackHole() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener_, 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    for (auto& filler : fillers_) {
      filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      (void)connect(filler, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
  }
  ~BlackHole() {
    for (const int filler : fillers_) close(filler);
    close(listener_);
  }
  ip::tcp::endpoint endpoint() const { return {ip::address_v4::loopback(), port_}; }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::array<int, 4> fillers_{};
};

TEST_F(ClientTest, AnAddressThatLeadsNowhereCostsLittle) {
  const BlackHole hole;
  ScriptedServer server(answer_all);
  const auto nowhere = ip::make_address("2001:db8::1");
  ClientOptions options;
  options.lookup = [](const std::string&) { return addresses({"2001:db8::1", "192.0.2.1"}); };
  options.detour = [&](ip::tcp::endpoint wanted) {
    if (wanted.address() == nowhere) return hole.endpoint();
    return ip::tcp::endpoint(ip::address_v4::loopback(), server.port());
  };
  use(options);

  const auto began = std::chrono::steady_clock::now();
  const auto response = get(*Url::parse("http://r.test/"));
  const auto took = std::chrono::steady_clock::now() - began;

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "ok");
  EXPECT_LT(took, std::chrono::seconds(2));
}

TEST_F(ClientTest, AddressesThatAllLeadNowhereEndAtTheDeadline) {
  const BlackHole hole;
  ClientOptions options;
  options.lookup = [](const std::string&) { return addresses({"192.0.2.1", "192.0.2.2"}); };
  options.detour = [&](ip::tcp::endpoint) { return hole.endpoint(); };
  use(options);
  Request request("GET", *Url::parse("http://r.test/"));
  request.timeouts.connect = milliseconds(400);

  const auto response = send(request);

  ASSERT_TRUE(response.has_error());
  EXPECT_EQ(response.error().code, Errc::kTimeout);
  EXPECT_THAT(response.error().message, HasSubstr("connecting to r.test:80"));
}

TEST_F(ClientTest, MayBeCancelledWhileItConnects) {
  const BlackHole hole;
  ClientOptions options;
  options.lookup = [](const std::string&) { return addresses({"192.0.2.1", "192.0.2.2"}); };
  options.detour = [&](ip::tcp::endpoint) { return hole.endpoint(); };
  use(options);
  cancel_soon(50);

  const auto response = get(*Url::parse("http://r.test/"));

  EXPECT_EQ(response.error().code, Errc::kCancelled);
}

TEST_F(ClientTest, ANameThatChangesItsMindIsJudgedAnewEachTime) {
  ScriptedServer canary(answer_all);
  std::atomic<int> asked = 0;
  ClientOptions options;
  options.lookup = [&](const std::string&) {
    return asked++ == 0 ? addresses({"192.0.2.1"}) : addresses({"169.254.169.254"});
  };
  options.detour = [&](ip::tcp::endpoint) {
    return ip::tcp::endpoint(ip::address_v4::loopback(), canary.port());
  };
  use(options);

  ASSERT_TRUE(get(*Url::parse("http://rebind.test/")));
  use(options);  // So that no kept connection is at hand.
  const auto second = get(*Url::parse("http://rebind.test/"));

  ASSERT_TRUE(second.has_error());
  EXPECT_EQ(second.error().code, Errc::kEgressDenied);
  EXPECT_EQ(canary.connections(), 1);
}

TEST_F(ClientTest, OfSeveralAddressesTheForbiddenOnesAreLeftOut) {
  ScriptedServer server(answer_all);
  std::vector<std::string> tried;
  ClientOptions options;
  options.lookup = [](const std::string&) {
    return addresses({"169.254.169.254", "64:ff9b::a9fe:a9fe", "192.0.2.1"});
  };
  options.detour = [&](ip::tcp::endpoint wanted) {
    tried.push_back(wanted.address().to_string());
    return ip::tcp::endpoint(ip::address_v4::loopback(), server.port());
  };
  use(options);

  ASSERT_TRUE(get(*Url::parse("http://r.test/")));

  EXPECT_THAT(tried, testing::ElementsAre("192.0.2.1"));
}

TEST_F(ClientTest, ANameServerThatFailsOrDawdlesIsNamed) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  ClientOptions options;
  // By value: it may still be waiting when this test ends.
  options.lookup = [released](const std::string& host) -> Result<Addresses> {
    if (host == "slow.test") released.wait();
    return Error(Errc::kUnavailable, "cannot find " + host + ": the name server did not answer");
  };
  use(options);

  const auto failed = get(*Url::parse("http://flap.test/"));
  Request slow("GET", *Url::parse("http://slow.test/"));
  slow.timeouts.connect = milliseconds(50);
  const auto dawdled = send(slow);
  release.set_value();

  EXPECT_EQ(failed.error().code, Errc::kUnavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("the name server did not answer"));
  EXPECT_EQ(dawdled.error().code, Errc::kTimeout);
  EXPECT_THAT(dawdled.error().message, HasSubstr("looking up slow.test"));
}

}  // namespace
}  // namespace kiln::http
