#include "controller/obs/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <string>

#include "tests/support/run_task.h"

namespace kiln::obs {
namespace {

using namespace std::chrono_literals;
using http::ServerRequest;
using http::ServerResponse;
using ::testing::HasSubstr;

/// The page, as the server sees it; the program's event loop is the same as the server's here.
class PagesTest : public ::testing::Test {
 protected:
  ~PagesTest() override { log::set_level(before_); }

  ServerRequest request(std::string path, std::string query = {}, std::string method = "GET",
                        std::string body = {}) {
    ServerRequest one;
    one.method = std::move(method);
    one.path = std::move(path);
    one.query = std::move(query);
    one.body = std::move(body);
    one.peer = boost::asio::ip::make_address("127.0.0.1");
    return one;
  }
  ServerResponse ask(http::RequestHandler& handler, ServerRequest one) {
    auto as_result = [](Task<ServerResponse> task) -> Task<Result<ServerResponse>> {
      co_return co_await std::move(task);
    };
    return *kiln::testing::run_task(io_, as_result(handler.handle(std::move(one))));
  }
  ServerResponse health(std::string path, std::string query = {}, std::string method = "GET",
                        std::string body = {}) {
    return ask(health_pages_,
               request(std::move(path), std::move(query), std::move(method), std::move(body)));
  }

  boost::asio::io_context io_;
  Metrics metrics_;
  Health health_;
  LogSwitch log_switch_{log::Level::kInfo};
  MetricsPages metrics_pages_{io_.get_executor(), metrics_};
  HealthPages health_pages_{io_.get_executor(), health_, log_switch_};

 private:
  log::Level before_ = log::level();
};

TEST_F(PagesTest, MetricsAreServedAsPrometheusReadsThem) {
  const auto response = ask(metrics_pages_, request("/metrics"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("kiln_build_info"));
  EXPECT_EQ(ask(metrics_pages_, request("/metrics", "", "HEAD")).status, 200);
}

TEST_F(PagesTest, OtherPathsAndMethodsAreToldWhatThereIs) {
  EXPECT_EQ(ask(metrics_pages_, request("/")).status, 404);
  EXPECT_THAT(ask(metrics_pages_, request("/")).body, HasSubstr("/metrics"));
  EXPECT_EQ(ask(metrics_pages_, request("/metrics", "", "POST")).status, 405);
  EXPECT_EQ(health("/").status, 404);
  EXPECT_EQ(health("/readyzz").status, 404);
  EXPECT_THAT(health("/").body, HasSubstr("/readyz"));
  const auto wrong = health("/healthz", "", "DELETE");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.get("Allow"), "GET, HEAD");
}

TEST_F(PagesTest, LiveAndReadyAreTwoPages) {
  health_.ready.add("watch", [] { return Finding::bad("starting"); });
  EXPECT_EQ(health("/healthz").status, 200);
  EXPECT_EQ(health("/healthz").body, "ok\n");
  EXPECT_EQ(health("/readyz").status, 503);
  EXPECT_THAT(health("/readyz").body, HasSubstr("[-]watch failed: starting"));
}

TEST_F(PagesTest, VerboseNamesTheChecksAndEachHasAPage) {
  health_.ready.add("watch-configmaps@web", [] { return Finding::good("watching"); });
  EXPECT_EQ(health("/readyz").body, "ok\n");
  EXPECT_THAT(health("/readyz", "verbose").body, HasSubstr("[+]watch-configmaps@web ok: watching"));
  EXPECT_THAT(health("/readyz", "verbose=1").body, HasSubstr("[+]watch-configmaps@web"));
  EXPECT_EQ(health("/readyz/watch-configmaps@web").status, 200);
  EXPECT_EQ(health("/readyz/").status, 200);
  EXPECT_EQ(health("/readyz/nothing").status, 404);
}

TEST_F(PagesTest, AnEventLoopThatDoesNotTurnIsToldAsThat) {
  boost::asio::io_context stuck;  // Nobody runs it.
  HealthPages pages(stuck.get_executor(), health_, log_switch_, 20ms);
  for (const auto* path : {"/healthz", "/readyz"}) {
    const auto response = ask(pages, request(path));
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body,
              "[-]event-loop failed: the event loop's answer took longer than 20ms\n");
  }
}

TEST_F(PagesTest, TheLogLevelIsToldToAnyoneAndSetFromHere) {
  log::set_level(log::Level::kInfo);
  EXPECT_EQ(health("/loglevel").body, "info\n");

  const auto set = health("/loglevel", "", "PUT", "error\n");

  EXPECT_EQ(set.status, 200);
  EXPECT_EQ(set.body, "error\n");
  EXPECT_EQ(log::level(), log::Level::kError);
}

TEST_F(PagesTest, TheLogLevelIsSetFromNowhereElse) {
  log::set_level(log::Level::kInfo);
  for (const auto* address : {"10.0.0.7", "fe80::1", "::ffff:10.0.0.7"}) {
    auto from_afar = request("/loglevel", "", "PUT", "debug");
    from_afar.peer = boost::asio::ip::make_address(address);
    EXPECT_EQ(ask(health_pages_, std::move(from_afar)).status, 403) << address;
  }
  EXPECT_EQ(log::level(), log::Level::kInfo);
}

TEST_F(PagesTest, ALevelThatIsNoneIsRefusedWithTheListOfThem) {
  const auto response = health("/loglevel", "", "PUT", "loud");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("trace, debug, info, warning, error, off"));
  EXPECT_EQ(health("/loglevel", "", "POST", "debug").status, 405);
}

}  // namespace
}  // namespace kiln::obs
