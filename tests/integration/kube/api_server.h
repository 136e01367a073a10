#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "controller/kube/http_client.h"
#include "core/http/beast/client.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::testing {

/// A client of a real API server, the one $KUBECONFIG names (tests/cluster/cluster.py up), and a
/// namespace of the test's own. Skips without it.
class ApiServer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kube::process_environment("KUBECONFIG"))
      GTEST_SKIP() << "KUBECONFIG is not set; start a cluster: "
                      "eval \"$(tests/cluster/cluster.py up)\"";
    auto config = kube::find_config(kube::process_environment, "", "");
    ASSERT_THAT(config, IsOk());
    http_ = http::make_client(io_.get_executor(), http::ClientOptions());
    client_ = kube::make_http_client(*http_, std::move(*config), clock_, kube::HttpClientOptions());
    static int number = 0;
    namespace_ = "kiln-test-" + std::to_string(getpid()) + "-" + std::to_string(++number);
    ASSERT_THAT(run(client_->create(kube::kNamespaces, "", object(namespace_))), IsOk());
  }
  void TearDown() override {
    if (!client_) return;
    EXPECT_THAT(run(client_->remove(kube::kNamespaces, kube::ObjectKey("", namespace_),
                                    kube::Precondition())),
                IsOk());
  }

  template <class T>
  Result<T> run(Task<Result<T>> task) {
    return run_task(io_, std::move(task));
  }
  static std::string object(const std::string& name, const std::string& text = "1") {
    return R"({"metadata":{"name":")" + name + R"("},"data":{"text":")" + text + "\"}}";
  }
  kube::ObjectKey key(const std::string& name) const { return kube::ObjectKey(namespace_, name); }
  Result<kube::Object> create(const std::string& name) {
    return run(client_->create(kube::kConfigMaps, namespace_, object(name)));
  }

  boost::asio::io_context io_;
  SystemClock clock_;
  std::unique_ptr<http::Client> http_;
  std::unique_ptr<kube::Client> client_;
  std::string namespace_;
};

}  // namespace kiln::testing
