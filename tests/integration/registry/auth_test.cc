// A real registry that asks who is there.
#include "tests/integration/registry/registry_fixture.h"
#include "tests/integration/registry/token_server.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Auth : public RegistryTest {
 protected:
  void expect_refused(const Access& access, const std::string& why) {
    const auto pushed = push("shop", SmallImage("refused"), access);
    ASSERT_TRUE(pushed.has_error());
    EXPECT_EQ(pushed.error().code, Errc::kUnauthorized);
    EXPECT_THAT(pushed.error().message, HasSubstr(registry->name() + why));
    EXPECT_THAT(pushed.error().message, ::testing::Not(HasSubstr("wrong")));
  }
};

TEST_F(Auth, HtpasswdLetsInWhoKnowsThePassword) {
  const auto holder = TempDir::create("kiln-htpasswd-");
  const auto folder = holder.value().path();
  // me:secret, bcrypt with the least rounds.
  write_file_atomically(folder / "htpasswd",
                        "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
      .value();
  KILN_SERVE(R"({"htpasswd": {"realm": "kiln", "path": ")" + (folder / "htpasswd").string() +
             "\"}}");

  const auto pushed = push("shop", SmallImage("hello"), as("me", "secret"));
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(http->take_methods(),
              ElementsAre("HEAD", "HEAD", "POST", "PUT", "HEAD", "POST", "PUT", "PUT"));
  ASSERT_TRUE(push("shop", SmallImage("again"), as("me", "secret")));
  EXPECT_EQ(http->take_methods().size(), 7u);
  expect_refused(as("me", "wrong"), " refused the credentials");
  expect_refused({}, " asks for credentials and none were given");
}

TEST_F(Auth, TokensAreFetchedOnceAndUsed) {
  const auto tokens = TokenServer::create();
  if (!tokens) GTEST_SKIP() << "no usable program \"openssl\"";
  KILN_SERVE(tokens->registry_auth());

  const auto pushed = push("shop", SmallImage("hello"), as("me", "secret"));
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(http->take_methods(),
              ElementsAre("HEAD", "GET", "HEAD", "POST", "PUT", "HEAD", "POST", "PUT", "PUT"));
  ASSERT_TRUE(push("shop", SmallImage("again"), as("me", "secret")));
  EXPECT_EQ(http->take_methods().size(), 7u);
  EXPECT_EQ(tokens->tokens_given(), 1);
  expect_refused(as("me", "wrong"), " refused the credentials");
  expect_refused({}, " asks for credentials and none were given");
}

TEST_F(Auth, AMountNeedsATokenForBothRepositories) {
  const auto tokens = TokenServer::create();
  if (!tokens) GTEST_SKIP() << "no usable program \"openssl\"";
  KILN_SERVE(tokens->registry_auth());
  const SmallImage image("hello");
  const auto me = as("me", "secret");
  ASSERT_TRUE(push("base", image, me));

  const auto mounted = ensure("shop", image.layer, me, repository("base"));

  ASSERT_TRUE(mounted) << mounted.error().message;
  EXPECT_EQ(*mounted, PushResult::kMounted);
}

TEST_F(Auth, PublicImagesNeedNoCredentials) {
  const auto tokens = TokenServer::create();
  if (!tokens) GTEST_SKIP() << "no usable program \"openssl\"";
  KILN_SERVE(tokens->registry_auth());
  const SmallImage image("hello");
  ASSERT_TRUE(push("public/base", image, as("me", "secret")));

  const auto pulled = run(client->fetch_manifest(reference("public/base", "v1"), {}));
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(pulled->digest, image.manifest.digest);
  const auto hidden = run(client->fetch_manifest(reference("private/base", "v1"), {}));
  ASSERT_TRUE(hidden.has_error());
  EXPECT_EQ(hidden.error().code, Errc::kUnauthorized);
}

}  // namespace
}  // namespace kiln::registry
