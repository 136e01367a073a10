#include "core/http/fenced_client.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::http {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;

class FencedClientTest : public ::testing::Test {
 protected:
  /// What the client below was given for a request with this method.
  Request passed_on(const std::string& method) {
    inner_.answer(fakes::ScriptedAnswer(200));
    EXPECT_THAT(run_task(client_.send(Request(method, *Url::parse("http://h/")))), IsOk());
    return inner_.seen().back();
  }

  fakes::ScriptedClient inner_;
  bool open_ = true;
  FencedClient client_{inner_, [this]() -> Result<void> {
                         if (open_) return {};
                         return Error(Errc::kDenied, "not the leader any more");
                       }};
};

TEST_F(FencedClientTest, LetsReadsPassWithoutAsking) {
  for (const auto* method : {"GET", "HEAD"}) EXPECT_FALSE(passed_on(method).permit) << method;
}

TEST_F(FencedClientTest, WritesAreAskedForWhenTheyLeaveNotWhenTheyAreMade) {
  for (const auto* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    open_ = true;
    const auto request = passed_on(method);
    ASSERT_TRUE(request.permit) << method;
    EXPECT_THAT(request.permit(), IsOk()) << method;

    open_ = false;

    EXPECT_THAT(request.permit(), FailsWith(Errc::kDenied, "not the leader any more")) << method;
  }
}

TEST_F(FencedClientTest, FencesStreamedAnswersToo) {
  inner_.answer(fakes::ScriptedAnswer(200));

  const auto stream = run_task(client_.open(Request("POST", *Url::parse("http://h/"))));

  ASSERT_THAT(stream, IsOk());
  EXPECT_TRUE(inner_.seen().back().permit);
}

}  // namespace
}  // namespace kiln::http
