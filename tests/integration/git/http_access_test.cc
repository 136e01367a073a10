// Who is let in over http and https, whom we trust, and where we are not led.
#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <sstream>

#include "tests/integration/git/git_fixture.h"
#include "tests/integration/http/certificates.h"
#include "tests/integration/http/scripted_server.h"

namespace kiln::source {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Keys = std::map<std::string, std::string>;

/// Answers what it is told to for every name, one after the other, and the last for ever.
class ScriptedResolver final : public http::HostResolver {
 public:
  explicit ScriptedResolver(std::vector<std::string> answers) : answers_(std::move(answers)) {}

  Task<Result<std::vector<boost::asio::ip::address>>> resolve(std::string,
                                                              std::chrono::milliseconds) override {
    std::vector<boost::asio::ip::address> addresses;
    std::istringstream answer(answers_[std::min(asked_++, answers_.size() - 1)]);
    for (std::string text; answer >> text;)
      addresses.push_back(boost::asio::ip::make_address(text));
    co_return addresses;
  }

 private:
  std::vector<std::string> answers_;  ///< Addresses with spaces between them.
  std::size_t asked_ = 0;
};

class GitAccessTest : public GitHttpTest {
 protected:
  void SetUp() override {
    GitHttpTest::SetUp();
    if (server) repository().commit({{"a", "bytes of a"}});
  }
  void TearDown() override { client.reset(); }
  void answer_names(std::vector<std::string> answers) {
    scripted.emplace(std::move(answers));
    names = &*scripted;
    new_client();
  }
  static GitRequest with(const GitUrl& url, const Keys& keys) {
    GitRequest request(url);
    request.credentials = who(keys, url);
    return request;
  }

  std::optional<ScriptedResolver> scripted;
};

struct Refused {
  std::string name, path;
  Keys keys;
  Errc code;
  std::string message;
};

class GitAccessIsRefused : public GitAccessTest, public ::testing::WithParamInterface<Refused> {};

TEST_P(GitAccessIsRefused, SayingWhatTheServerSaid) {
  const auto content = fetch(with(server->url(GetParam().path + "/site.git"), GetParam().keys));

  EXPECT_THAT(content, FailsWith(GetParam().code, GetParam().message));
  for (const auto& [key, value] : GetParam().keys)
    EXPECT_THAT(content.error().message, Not(HasSubstr(value))) << key;
}

INSTANTIATE_TEST_SUITE_P(
    All, GitAccessIsRefused,
    ::testing::ValuesIn(std::vector<Refused>{
        {"NoPassword", "/private", {}, Errc::kUnauthorized, "wants some and there are none"},
        {"WrongPassword",
         "/private",
         {{"username", "someone"}, {"password", "wrong-horse"}},
         Errc::kUnauthorized,
         "the server does not take the credentials of secretRef"},
        {"NoToken", "/token", {}, Errc::kUnauthorized, "wants some and there are none"},
        {"WrongToken",
         "/token",
         {{"bearerToken", "wrong-horse"}},
         Errc::kUnauthorized,
         "the server does not take the credentials of secretRef"},
        {"Status401", "/status/401", {}, Errc::kUnauthorized, "wants some and there are none"},
        {"Status403", "/status/403", {}, Errc::kDenied, "the server forbids it (403)"},
        {"Status404", "/status/404", {}, Errc::kUnavailable, "has no such repository"},
        {"Status429", "/status/429", {}, Errc::kRateLimited, "asked too often (429)"},
        {"Status500", "/status/500", {}, Errc::kUnavailable, "returned error: 500"},
        {"Status503", "/status/503", {}, Errc::kUnavailable, "returned error: 503"},
        {"NoRepository", "/git/none", {}, Errc::kUnavailable, "has no such repository"},
        {"Redirect", "/moved", {}, Errc::kInvalid, "redirects to another address, which is not"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(GitAccessTest, TheRightPasswordIsTaken) {
  EXPECT_THAT(fetch(with(server->url("/private/site.git"),
                         {{"username", "me"}, {"password", "correct horse\n"}})),
              IsOk());
}

TEST_F(GitAccessTest, TheRightTokenIsTaken) {
  EXPECT_THAT(fetch(with(server->url("/token/site.git"), {{"bearerToken", "letmein"}})), IsOk());
}

TEST_F(GitAccessTest, ARedirectIsNotEvenAskedFor) {
  ASSERT_THAT(fetch(GitRequest(server->url("/moved/site.git"))),
              FailsWith(Errc::kInvalid, "write that address as url"));

  EXPECT_THAT(server->requests(), Each(HasSubstr("/moved/site.git")));
}

TEST_F(GitAccessTest, WhatWasFetchedWithCredentialsIsNotThereForOthers) {
  const auto url = server->url("/private/site.git");
  ASSERT_THAT(fetch(with(url, {{"username", "me"}, {"password", "correct horse"}})), IsOk());
  auto stranger = GitRequest(url);
  stranger.max_age = std::chrono::hours(1);

  EXPECT_THAT(fetch(stranger), FailsWith(Errc::kUnauthorized, "wants some and there are none"));
}

TEST_F(GitAccessTest, AnAuthorityOfTheSecretIsTrusted) {
  const auto content =
      fetch(with(server->https_url("/git/site.git"), {{"ca.crt", server->authority()}}));

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "bytes of a");
}

TEST_F(GitAccessTest, AnAuthorityThatNobodyNamedIsNotTrusted) {
  EXPECT_THAT(fetch(GitRequest(server->https_url("/git/site.git"))),
              FailsWith(Errc::kUnavailable,
                        "the server's certificate is not trusted; put its authority into ca.crt"));
  EXPECT_THAT(server->requests(), IsEmpty());
}

TEST_F(GitAccessTest, ACertificateForAnotherNameIsNotTaken) {
  answer_names({"127.0.0.1"});

  EXPECT_THAT(fetch(with(server->https_url("/git/site.git", "git.example.com"),
                         {{"ca.crt", server->authority()}})),
              FailsWith(Errc::kUnavailable, "the server's certificate is not trusted"));
  EXPECT_THAT(server->requests(), IsEmpty());
}

TEST_F(GitAccessTest, AnExpiredCertificateIsNotTaken) {
  const auto& expired = http::Certificates::get()->expired;
  http::ScriptedServer old([](http::Peer& peer) { peer.read(); },
                           http::ServerTls{expired.cert_pem, expired.key_pem, ""});
  const auto url = GitUrl::parse("https://127.0.0.1:" + std::to_string(old.port()) + "/a").value();

  EXPECT_THAT(fetch(with(url, {{"ca.crt", http::Certificates::get()->ca_pem}})),
              FailsWith(Errc::kUnavailable, "the server's certificate is not trusted"));
}

TEST_F(GitAccessTest, ACertificateOfOursIsShownToWhoWantsOne) {
  const auto& made = *http::Certificates::get();
  http::ScriptedServer strict(
      [](http::Peer& peer) {
        if (peer.read()) peer.answer("", "403 Forbidden");
      },
      http::ServerTls{made.server.cert_pem, made.server.key_pem, made.ca_pem});
  const auto url =
      GitUrl::parse("https://127.0.0.1:" + std::to_string(strict.port()) + "/a").value();

  EXPECT_THAT(fetch(with(url, {{"ca.crt", made.ca_pem},
                               {"tls.crt", made.client.cert_pem},
                               {"tls.key", made.client.key_pem}})),
              FailsWith(Errc::kDenied, "the server forbids it (403)"));
  EXPECT_THAT(fetch(with(url, {{"ca.crt", made.ca_pem}})), FailsWith(Errc::kUnavailable, ""));
}

TEST_F(GitAccessTest, TheServerIsReachedWhereItsNameWasFoundAndNowhereElse) {
  answer_names({"127.0.0.1"});

  EXPECT_THAT(fetch(GitRequest(server->url("/git/site.git", "git.nowhere.example"))), IsOk());
}

TEST_F(GitAccessTest, ANameThatChangesItsAddressIsJudgedAgain) {
  answer_names({"127.0.0.1", "169.254.169.254"});

  EXPECT_THAT(fetch(GitRequest(server->url("/git/site.git", "git.nowhere.example"))),
              FailsWith(Errc::kEgressDenied, "169.254.169.254"));
}

TEST_F(GitAccessTest, OfSeveralAddressesOnlyThoseAreUsedThatThePolicyLetsPass) {
  answer_names({"169.254.169.254 127.0.0.1"});

  EXPECT_THAT(fetch(GitRequest(server->url("/git/site.git", "git.nowhere.example"))), IsOk());
}

TEST_F(GitAccessTest, AnAddressThatIsDeniedIsNeverAsked) {
  http::EgressPolicy::Rules rules;
  rules.deny_loopback = true;
  options.egress = http::EgressPolicy(rules);
  new_client();

  EXPECT_THAT(fetch(request()), FailsWith(Errc::kEgressDenied, "cannot connect to 127.0.0.1"));
  EXPECT_THAT(server->requests(), IsEmpty());
}

/// A server that says it has a repository with one branch, and then does as the test wants.
class LeadingServer {
 public:
  using Act = std::function<void(http::Peer&, const http::Peer::Request&)>;
  explicit LeadingServer(Act act)
      : server_([act = std::move(act)](http::Peer& peer) {
          while (const auto request = peer.read()) act(peer, *request);
        }) {}

  GitRequest request() const {
    const auto url =
        GitUrl::parse("http://127.0.0.1:" + std::to_string(server_.port()) + "/site.git").value();
    return with_secret(url);
  }
  static GitRequest with_secret(const GitUrl& url) {
    GitRequest request(url);
    request.credentials =
        GitCredentials::parse({{"username", "me"}, {"password", "correct horse"}}, url).value();
    return request;
  }
  static void announce(http::Peer& peer) {
    peer.answer("001e# service=git-upload-pack\n0000000eversion 2\n0013ls-refs=unborn\n0000",
                "200 OK", "Content-Type: application/x-git-upload-pack-advertisement\r\n");
  }

 private:
  http::ScriptedServer server_;
};

/// Somebody else, who must never be asked.
class GitLedAstrayTest : public GitClientTest {
 protected:
  std::string elsewhere(const std::string& path) const { return stranger.url(path).str(); }

  http::ScriptedServer stranger{[](http::Peer& peer) {
    if (peer.read()) peer.answer("", "404 Not Found");
  }};
};

TEST_F(GitLedAstrayTest, ARedirectToAnotherHostIsNotFollowed) {
  for (const std::string status : {"301 Moved", "302 Found", "307 Temporary", "308 Permanent"}) {
    LeadingServer leading([&](http::Peer& peer, const auto&) {
      peer.answer("", status, "Location: " + elsewhere("/site.git/info/refs") + "\r\n");
    });

    EXPECT_THAT(fetch(leading.request()), FailsWith(Errc::kInvalid, "the server redirects"))
        << status;
  }
  EXPECT_EQ(stranger.connections(), 0);
}

TEST_F(GitLedAstrayTest, ARedirectWhileARepositoryIsReadIsNotFollowedEither) {
  LeadingServer leading([&](http::Peer& peer, const http::Peer::Request& request) {
    if (request.has("GET /site.git/info/refs")) return LeadingServer::announce(peer);
    peer.answer("", "307 Temporary", "Location: " + elsewhere("/git-upload-pack") + "\r\n");
  });

  EXPECT_THAT(fetch(leading.request()), FailsWith(Errc::kInvalid, "the server redirects"));
  EXPECT_EQ(stranger.connections(), 0);
}

TEST_F(GitLedAstrayTest, AServerOfPlainFilesCannotNameOtherServersForObjects) {
  const std::string id(40, '1');
  LeadingServer leading([&](http::Peer& peer, const http::Peer::Request& request) {
    if (request.has("/info/refs")) return peer.answer(id + "\trefs/heads/main\n");
    if (request.has("/HEAD")) return peer.answer("ref: refs/heads/main\n");
    if (request.has("/http-alternates")) return peer.answer(elsewhere("/objects") + "\n");
    if (request.has("/alternates")) return peer.answer(elsewhere("/objects") + "\n");
    peer.answer("", "404 Not Found");
  });

  EXPECT_THAT(fetch(leading.request()), FailsWith(Errc::kUnavailable, "dumb http"));
  EXPECT_EQ(stranger.connections(), 0);
}

}  // namespace
}  // namespace kiln::source
