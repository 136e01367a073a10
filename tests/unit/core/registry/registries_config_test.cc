#include "core/registry/registries_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/file.h"

namespace kiln::registry {
namespace {

using ::testing::HasSubstr;

oci::Repository repository(const std::string& text) {
  return *oci::Reference::parse_repository(text);
}

TEST(RegistriesConfig, SaysHowRegistriesAreReached) {
  auto folder = TempDir::create("kiln-registries-");
  ASSERT_TRUE(write_file_atomically(folder->path() / "ca.pem", "PEM"));
  const auto config = RegistriesConfig::parse(R"(
registries:
- prefix: docker.io
  mirrors:
  - location: mirror.test:5000/hub
    ca: ca.pem
    digestOnly: true
  - location: other.test
    insecure: true
- prefix: r.test/team
  insecure: true
  ca: ca.pem
  chunkBytes: 8388608
  parallel: 2
)",
                                              folder->path());
  ASSERT_TRUE(config) << config.error().message;

  const auto* hub = config->find(repository("nginx"));
  ASSERT_NE(hub, nullptr);
  ASSERT_EQ(hub->mirrors.size(), 2u);
  EXPECT_EQ(hub->mirrors[0].str(), "mirror.test:5000/hub");
  EXPECT_EQ(hub->mirrors[0].tls->ca_pem, "PEM");
  EXPECT_TRUE(hub->mirrors[0].digest_only);
  EXPECT_EQ(hub->mirrors[1].str(), "other.test");
  EXPECT_TRUE(hub->mirrors[1].insecure);
  EXPECT_FALSE(hub->insecure);

  const auto* team = config->find(repository("r.test/team/shop"));
  ASSERT_NE(team, nullptr);
  EXPECT_TRUE(team->insecure);
  EXPECT_EQ(team->tls->ca_pem, "PEM");
  EXPECT_EQ(team->chunk_bytes, 8u * 1024 * 1024);
  EXPECT_EQ(team->parallel, 2u);
}

TEST(RegistriesConfig, TheLongestPrefixCountsAndEndsAtASlash) {
  const auto config = RegistriesConfig::parse(R"(
registries:
- {prefix: r.test}
- {prefix: r.test/team}
- {prefix: r.test/team/shop}
)",
                                              "");
  ASSERT_TRUE(config) << config.error().message;
  const auto prefix = [&](const std::string& text) {
    const auto* found = config->find(repository(text));
    return found ? found->prefix.path : "none";
  };
  EXPECT_EQ(prefix("r.test/team/shop/x"), "team/shop");
  EXPECT_EQ(prefix("r.test/team/shop"), "team/shop");
  EXPECT_EQ(prefix("r.test/team/shopping"), "team");
  EXPECT_EQ(prefix("r.test/teams"), "");
  EXPECT_EQ(prefix("r.test.evil.test/team"), "none");
  EXPECT_EQ(prefix("r.test:5000/team"), "none");
}

TEST(RegistriesConfig, MayBeEmpty) {
  for (const auto* text : {"", "{}", "registries:", "registries: []", "# nothing"}) {
    const auto config = RegistriesConfig::parse(text, "");
    ASSERT_TRUE(config) << text << config.error().message;
    EXPECT_TRUE(config->empty());
  }
}

struct Bad {
  std::string name, yaml, why;
};

class BadConfig : public ::testing::TestWithParam<Bad> {};

TEST_P(BadConfig, IsRefusedWithItsPlace) {
  const auto config = RegistriesConfig::parse(GetParam().yaml, "/nonexistent");
  ASSERT_TRUE(config.has_error());
  EXPECT_THAT(config.error().message, HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadConfig,
    ::testing::ValuesIn(std::vector<Bad>{
        {"NoYaml", "registries: [", "not valid YAML (line 1)"},
        {"Alias", "registries: [&x {prefix: r.test}, *x]", "line 1: anchors and aliases"},
        {"ManyLevels", std::string(1000, '['), "line 1: nested deeper than 64 levels"},
        {"TooLarge", std::string((1 << 20) + 1, ' '), "the file is larger than 1 MiB"},
        {"NoMapping", "- x", "the file must be a mapping"},
        {"UnknownField", "registry: []",
         "the file has no field \"registry\"; there are registries"},
        {"NoList", "registries: x", "registries must be a list"},
        {"NoPrefix", "registries: [{insecure: true}]", "registries[0] has no prefix"},
        {"PrefixWithoutRegistry", "registries: [{prefix: library}]",
         "registries[0].prefix: \"library\" must begin with a registry"},
        {"BadPrefix", "registries: [{prefix: r.test/UPPER}]", "repository names are lower case"},
        {"Twice", "registries: [{prefix: docker.io}, {prefix: index.docker.io}]",
         "registries[1].prefix stands twice"},
        {"NoLocation", "registries: [{prefix: r.test, mirrors: [{insecure: true}]}]",
         "registries[0].mirrors[0] has no location"},
        {"UrlForLocation",
         "registries: [{prefix: r.test, mirrors: [{location: 'https://m.test'}]}]",
         "registries[0].mirrors[0].location"},
        {"FlagNoFlag", "registries: [{prefix: r.test, insecure: maybe}]",
         "registries[0].insecure must be true or false"},
        {"NumberNoNumber", "registries: [{prefix: r.test, chunkBytes: 8MiB}]",
         "registries[0].chunkBytes must be a number from 1 to 1073741824"},
        {"TooParallel", "registries: [{prefix: r.test, parallel: 65}]",
         "registries[0].parallel must be a number from 1 to 64"},
        {"AbsentFile", "registries: [{prefix: r.test, ca: no.pem}]", "registries[0].ca: "},
        {"AListForText", "registries: [{prefix: [r.test]}]", "registries[0].prefix must be text"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(RegistriesConfig, ACertificateNeedsItsKey) {
  auto folder = TempDir::create("kiln-registries-");
  ASSERT_TRUE(write_file_atomically(folder->path() / "c.pem", "PEM"));
  const auto config = RegistriesConfig::parse(
      "registries: [{prefix: r.test, clientCertificate: c.pem}]", folder->path());
  EXPECT_THAT(config.error().message, HasSubstr("needs both clientCertificate and clientKey"));
}

TEST(RegistriesConfig, NamesTheFileThatIsWrong) {
  auto folder = TempDir::create("kiln-registries-");
  const auto file = folder->path() / "registries.yaml";
  ASSERT_TRUE(write_file_atomically(file, "registries: x"));
  EXPECT_EQ(RegistriesConfig::read(file).error().message,
            file.string() + ": registries must be a list");
  EXPECT_THAT(RegistriesConfig::read(folder->path() / "absent").error().message,
              HasSubstr("absent"));
}

TEST(InMirror, APrefixIsReplacedByTheMirrorsPath) {
  Mirror mirror("m.test");
  mirror.path = "cache/hub";
  const oci::Repository whole{"index.docker.io", ""};
  const oci::Repository part{"index.docker.io", "library"};
  EXPECT_EQ(in_mirror(mirror, whole, repository("nginx")).str(), "m.test/cache/hub/library/nginx");
  EXPECT_EQ(in_mirror(mirror, part, repository("nginx")).str(), "m.test/cache/hub/nginx");
  mirror.path.clear();
  EXPECT_EQ(in_mirror(mirror, whole, repository("nginx")).str(), "m.test/library/nginx");
}

}  // namespace
}  // namespace kiln::registry
