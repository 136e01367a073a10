#include "core/oci/reference.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using testing::FailsWith;

const std::string kDigest = "sha256:" + std::string(64, '1');

struct Good {
  std::string name, text, full;
};
void PrintTo(const Good& row, std::ostream* out) {
  *out << row.text;
}

class ReferenceReads : public ::testing::TestWithParam<Good> {};
TEST_P(ReferenceReads, AsDockerDoes) {
  const auto reference = Reference::parse(GetParam().text);
  ASSERT_THAT(reference, testing::IsOk());
  EXPECT_EQ(reference->str(), GetParam().full);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ReferenceReads,
    ::testing::Values(
        Good{"ShortName", "nginx", "index.docker.io/library/nginx:latest"},
        Good{"ShortNameWithTag", "nginx:1.27", "index.docker.io/library/nginx:1.27"},
        Good{"UserName", "team/app", "index.docker.io/team/app:latest"},
        Good{"DockerIo", "docker.io/nginx", "index.docker.io/library/nginx:latest"},
        Good{"RegistryOneDockerIo", "registry-1.docker.io/a/b:c", "index.docker.io/a/b:c"},
        Good{"HostWithDot", "ghcr.io/team/app:1", "ghcr.io/team/app:1"},
        Good{"HostWithPort", "registry:5000/app", "registry:5000/app:latest"},
        Good{"Localhost", "localhost/app:x", "localhost/app:x"},
        Good{"LoopbackWithPort", "127.0.0.1:5000/team/app:x", "127.0.0.1:5000/team/app:x"},
        Good{"IpV6", "[::1]:5000/app:x", "[::1]:5000/app:x"},
        Good{"UpperCaseHost", "GHCR.io/team/app", "ghcr.io/team/app:latest"},
        Good{"UpperCaseLocalhost", "LOCALHOST/app:x", "localhost/app:x"},
        Good{"DeepPath", "r.io/a/b/c/d:1", "r.io/a/b/c/d:1"},
        Good{"Separators", "r.io/a__b/c---d/e.f:1", "r.io/a__b/c---d/e.f:1"},
        Good{"Digest", "nginx@" + kDigest, "index.docker.io/library/nginx@" + kDigest},
        Good{"TagAndDigest", "r.io/a:1@" + kDigest, "r.io/a:1@" + kDigest}),
    [](const auto& test) { return test.param.name; });

struct Bad {
  std::string name, text, why;
};
void PrintTo(const Bad& row, std::ostream* out) {
  *out << row.name;
}

class ReferenceRefuses : public ::testing::TestWithParam<Bad> {};
TEST_P(ReferenceRefuses, WithWhatToWriteInstead) {
  EXPECT_THAT(Reference::parse(GetParam().text), FailsWith(Errc::kInvalid, GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(
    Table, ReferenceRefuses,
    ::testing::Values(
        Bad{"Empty", "", "empty"}, Bad{"UpperCase", "r.io/Team/App", "write \"team/app\""},
        // To Docker a registry "Foo"; in lower case it would be a Docker Hub user.
        Bad{"UpperCaseWord", "Foo/bar", "repository names are lower case; write \"foo/bar\""},
        Bad{"Scheme", "https://r.io/a", "without a scheme"},
        Bad{"EmptyTag", "r.io/a:", "the tag is empty"},
        Bad{"TagWithSlash", "r.io/a:b/c", "not valid"},
        Bad{"TagWithDash", "r.io/a:-b", "begin with none of . -"},
        Bad{"LongTag", "r.io/a:" + std::string(129, 't'), "longer than 128"},
        Bad{"BadDigest", "r.io/a@sha256:12", "64 hex digits"},
        Bad{"Space", "r.io/a b", "not valid"}, Bad{"NewLine", "r.io/a\nb", "not valid"},
        Bad{"Nul", std::string("r.io/a\0b", 8), "not valid"},
        Bad{"DotDot", "r.io/../a", "not valid"}, Bad{"TripleUnderscore", "r.io/a___b", "not valid"},
        Bad{"NoName", "r.io/", "the repository's name is missing"},
        Bad{"DoubleSlash", "r.io/a//b", "not valid"},
        Bad{"PortOutOfRange", "r.io:70000/a", "not a host or host:port"},
        Bad{"UserInfo", "user:pw@r.io/a", "digest must start with"},
        Bad{"VeryLong", "r.io/" + std::string(300, 'a'), "longer than 255"}),
    [](const auto& test) { return test.param.name; });

TEST(Reference, PrefersTheDigestAsIdentifier) {
  EXPECT_EQ(Reference::parse("r.io/a:1@" + kDigest)->identifier(), kDigest);
  EXPECT_EQ(Reference::parse("r.io/a:1")->identifier(), "1");
}

TEST(LoopbackRegistry, IsLocalhostOrALoopbackAddressOnly) {
  for (const auto* yes :
       {"localhost", "localhost:5000", "127.0.0.1:1", "127.8.8.8", "[::1]:5000", "kind.localhost"})
    EXPECT_TRUE(is_loopback_registry(yes)) << yes;
  for (const auto* no :
       {"127.0.0.1.evil.com", "localhost.evil.com", "10.0.0.1", "[::2]", "local", "127.evil.com"})
    EXPECT_FALSE(is_loopback_registry(no)) << no;
}

}  // namespace
}  // namespace kiln::oci
