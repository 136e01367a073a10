#pragma once
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/encoding.h"
#include "core/registry/http_client.h"
#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::registry {

template <class T>
Task<void> keep(Task<T> task, std::shared_ptr<std::vector<T>> results) {
  auto value = co_await std::move(task);
  results->push_back(std::move(value));
}

/// Runs several tasks at once; the results are in the order in which they ended.
template <class T>
std::vector<T> run_together(std::vector<Task<T>> tasks) {
  boost::asio::io_context context;
  auto results = std::make_shared<std::vector<T>>();
  for (auto& task : tasks)
    boost::asio::co_spawn(context, keep(std::move(task), results), boost::asio::detached);
  context.run();
  return std::move(*results);
}

class MovedClock final : public Clock {
 public:
  WallTime now() const override { return WallTime(offset_); }
  std::chrono::steady_clock::time_point steady_now() const override {
    return std::chrono::steady_clock::time_point(std::chrono::hours(1)) + offset_;
  }
  void advance(std::chrono::seconds by) { offset_ += by; }

 private:
  std::chrono::seconds offset_{0};
};

/// The same credentials for every repository.
class FixedKeychain final : public auth::Keychain {
 public:
  explicit FixedKeychain(std::vector<auth::Credential> credentials)
      : credentials_(std::move(credentials)) {}
  std::vector<auth::Credential> find(const oci::Repository&) const override { return credentials_; }

 private:
  std::vector<auth::Credential> credentials_;
};

inline auth::Credential login(std::string username, std::string password) {
  auth::Credential credential;
  credential.username = std::move(username);
  credential.password = std::move(password);
  return credential;
}

inline Access access_with(std::vector<auth::Credential> credentials) {
  Access access;
  access.keychain = std::make_shared<const FixedKeychain>(std::move(credentials));
  return access;
}

inline std::string basic(const std::string& user_and_password) {
  return "Basic " + base64_encode(user_and_password);
}

/// A client whose network is a script, whose clock stands still and whose waits are only noted
/// down.
struct Scripted {
  Scripted() {
    http::RetryPolicy policy;
    policy.jitter = 0;
    policy.sleep = [this](std::chrono::milliseconds wait) { return note(wait); };
    policy.now = [this] { return clock.now(); };
    client.emplace(http, clock, std::move(policy));
  }

  Task<Result<void>> note(std::chrono::milliseconds wait) {
    waits.push_back(wait);
    co_return Result<void>();
  }
  std::vector<std::string> lines() const { return http.seen_lines(); }
  std::string authorization(std::size_t request) const {
    return std::string(http.seen().at(request).headers.get("Authorization"));
  }

  fakes::ScriptedClient http;
  MovedClock clock;
  std::vector<std::chrono::milliseconds> waits;
  std::optional<HttpRegistryClient> client;
};

inline const std::string kBearer =
    R"(Bearer realm="https://auth.test/token",service="r.test",scope="repository:shop:pull")";

inline const oci::Repository kShop{"r.test", "shop"};

inline std::string blobs_of_shop(const oci::Digest& digest) {
  return "https://r.test/v2/shop/blobs/" + digest.str();
}

}  // namespace kiln::registry
