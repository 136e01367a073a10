#include "controller/hooks/endpoint.h"

#include <gtest/gtest.h>

namespace kiln::hooks {
namespace {

TEST(FindEndpoint, KnowsTheSenderByThePath) {
  for (const auto* name :
       {"github", "gitlab", "gitea", "bitbucket", "generic", "distribution", "harbor", "quay"}) {
    const auto endpoint = find_endpoint("/hooks/" + std::string(name));
    ASSERT_TRUE(endpoint) << name;
    EXPECT_EQ(name_of(endpoint->kind), name);
    EXPECT_EQ(endpoint->proof, "");
  }
}

TEST(FindEndpoint, TakesForgejoForGitea) {
  const auto endpoint = find_endpoint("/hooks/forgejo/");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->kind, Kind::kGitea);
}

TEST(FindEndpoint, ReadsAProofBehindTheSender) {
  const auto endpoint = find_endpoint("/hooks/quay/0a1b");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->kind, Kind::kQuay);
  EXPECT_EQ(endpoint->proof, "0a1b");
}

TEST(FindEndpoint, KnowsNoOtherPath) {
  for (const auto* path : {"", "/", "/hooks", "/hooks/", "/hooks/svn", "/hook/github", "/metrics",
                           "/hooks/GitHub", "/hooks//github", "/x/hooks/github"})
    EXPECT_FALSE(find_endpoint(path)) << path;
}

}  // namespace
}  // namespace kiln::hooks
