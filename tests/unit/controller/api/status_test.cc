#include "controller/api/status.h"

#include <gtest/gtest.h>

#include "core/base/encoding.h"
#include "core/base/json.h"

namespace kiln::api {
namespace {

Status built() {
  Status status;
  status.observed_generation = 3;
  Condition ready("Ready", true, 3, "Succeeded", "pushed");
  ready.last_transition_time = "2026-01-01T00:00:00Z";
  status.conditions = {ready};
  status.digest = "sha256:abc";
  status.image = "r.test/site@sha256:abc";
  status.tags = {"latest"};
  status.input_key = "k1";
  return status;
}

TEST(Status, WritesOneCanonicalForm) {
  EXPECT_EQ(status_json(built()),
            R"({"conditions":[{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"pushed",)"
            R"("observedGeneration":3,"reason":"Succeeded","status":"True","type":"Ready"}],)"
            R"("digest":"sha256:abc","image":"r.test/site@sha256:abc","inputKey":"k1",)"
            R"("observedGeneration":3,"tags":["latest"]})");
}

TEST(Status, OfNothingSaysThatNothingWasSeen) {
  EXPECT_EQ(status_json(Status()), R"({"observedGeneration":-1})");
}

TEST(Status, CutsMessagesBetweenCharacters) {
  auto status = built();
  status.conditions[0].message = "x";
  for (int i = 0; i < 1000; ++i) status.conditions[0].message += "ä";
  const auto json = Json::parse(status_json(status));
  const auto message = json["conditions"][0]["message"].get<std::string>();
  EXPECT_LE(message.size(), 1024u);
  EXPECT_GE(message.size(), 1020u);
  EXPECT_TRUE(is_utf8(message));
  EXPECT_TRUE(message.ends_with("ä…"));
}

}  // namespace
}  // namespace kiln::api
