#include "controller/obs/request_meters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/log.h"

namespace kiln::obs {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

const http::Url kUrl = *http::Url::parse("https://api.example:6443/api/v1/pods?token=secret");

TEST(ApiRequestMeter, CountsByCodeMethodAndHost) {
  Metrics metrics;
  ApiRequestMeter meter(metrics);
  meter.requested("GET", kUrl, 200, 1ms);
  meter.requested("GET", kUrl, 200, 1ms);
  meter.requested("PATCH", kUrl, 409, 1ms);
  meter.requested("GET", kUrl, std::nullopt, 1ms);

  EXPECT_EQ(metrics.api_requests.value({"200", "GET", "api.example:6443"}), 2);
  EXPECT_EQ(metrics.api_requests.value({"409", "PATCH", "api.example:6443"}), 1);
  EXPECT_EQ(metrics.api_requests.value({"<error>", "GET", "api.example:6443"}), 1);
}

TEST(RegistryRequestMeter, CountsByClassAndNamesNoRegistry) {
  Metrics metrics;
  RegistryRequestMeter meter(metrics);
  for (const int status : {200, 204, 302, 401, 404, 503, 999})
    meter.requested("HEAD", kUrl, status, 1ms);
  meter.requested("HEAD", kUrl, std::nullopt, 1ms);
  meter.requested("BREW", kUrl, 418, 1ms);

  const auto& requests = metrics.registry_requests;
  EXPECT_EQ(requests.value({"HEAD", "2xx"}), 2);
  EXPECT_EQ(requests.value({"HEAD", "3xx"}), 1);
  EXPECT_EQ(requests.value({"HEAD", "4xx"}), 2);
  EXPECT_EQ(requests.value({"HEAD", "5xx"}), 1);
  EXPECT_EQ(requests.value({"HEAD", "other"}), 1);
  EXPECT_EQ(requests.value({"HEAD", "none"}), 1);
  EXPECT_EQ(requests.value({"other", "4xx"}), 1);
  EXPECT_THAT(metrics.text(), Not(HasSubstr("api.example")));
}

TEST(RequestMeters, WriteEachRequestAtTraceWithoutItsQuery) {
  const auto before = log::level();
  log::set_level(log::Level::kTrace);
  Metrics metrics;
  ::testing::internal::CaptureStderr();

  RegistryRequestMeter(metrics).requested("GET", kUrl, 200, 12ms);

  const auto log = ::testing::internal::GetCapturedStderr();
  log::set_level(before);
  EXPECT_THAT(log, HasSubstr("request to a registry method=GET"));
  EXPECT_THAT(log, HasSubstr("status=200 took=12ms"));
  EXPECT_THAT(log, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace kiln::obs
