#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/deadline.h"
#include "core/http/beast/client.h"
#include "core/registry/http_client.h"
#include "tests/integration/registry/registry_process.h"
#include "tests/support/run_task.h"

namespace kiln::registry {

/// Notes down the requests on their way.
class CountingClient final : public http::Client {
 public:
  explicit CountingClient(std::unique_ptr<http::Client> inner) : inner_(std::move(inner)) {}
  Task<Result<http::Response>> send(http::Request request) override {
    note(request);
    return inner_->send(std::move(request));
  }
  Task<Result<std::unique_ptr<http::ResponseStream>>> open(http::Request request) override {
    note(request);
    return inner_->open(std::move(request));
  }
  std::vector<std::string> take_methods() { return std::exchange(methods_, {}); }

 private:
  void note(const http::Request& request) { methods_.push_back(request.method); }
  std::unique_ptr<http::Client> inner_;
  std::vector<std::string> methods_;
};

class OneCredential final : public auth::Keychain {
 public:
  OneCredential(std::string username, std::string password) {
    credential_.username = std::move(username);
    credential_.password = std::move(password);
  }
  std::vector<auth::Credential> find(const oci::Repository&) const override {
    return {credential_};
  }

 private:
  auth::Credential credential_;
};

inline Access as(std::string username, std::string password) {
  Access access;
  access.keychain = std::make_shared<const OneCredential>(std::move(username), std::move(password));
  return access;
}

inline layer::Blob blob_of(std::string bytes, const std::string& type) {
  oci::Descriptor descriptor(type, oci::Digest::of(bytes), bytes.size());
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  return {descriptor, [kept] {
            return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>(*kept, kept));
          }};
}

/// The smallest thing that a registry takes for an image.
struct SmallImage {
  explicit SmallImage(const std::string& content)
      : layer(blob_of(content, std::string(oci::media_type::kOciLayer))),
        config(blob_of(R"({"architecture":"amd64","os":"linux","config":{"Labels":{"c":")" +
                           content.substr(0, 20) +
                           R"("}},"rootfs":{"type":"layers","diff_ids":[")" +
                           layer.descriptor().digest.str() + "\"]}}",
                       std::string(oci::media_type::kOciConfig))),
        manifest(std::string(oci::media_type::kOciManifest), json()) {}

  std::string json() const {
    oci::Manifest image(std::string(oci::media_type::kOciManifest), config.descriptor());
    image.layers.push_back(layer.descriptor());
    return image.to_json();
  }
  layer::Blob layer;
  layer::Blob config;
  oci::RawManifest manifest;
};

/// A real registry and a real client. Skips when there is no registry program.
class RegistryTest : public ::testing::Test {
 protected:
  void serve(const std::string& auth = {}) {
    const auto program = find_program("registry");
    if (!program)
      GTEST_SKIP() << "no program \"registry\" (distribution v3) in KILN_TOOLS_PATH or PATH";
    registry.emplace(*program, auth);
    new_client();
  }
  /// A client that knows nothing yet.
  void new_client() {
    client.reset();
    http = std::make_unique<CountingClient>(
        http::make_client(io.get_executor(), http::ClientOptions()));
    http::RetryPolicy policy;
    policy.first_wait = std::chrono::milliseconds(10);
    client.emplace(*http, clock, std::move(policy));
  }

  oci::Repository repository(const std::string& path) const { return {registry->name(), path}; }
  oci::Reference reference(const std::string& path, const std::string& tag) const {
    return *oci::Reference::parse(registry->name() + "/" + path + ":" + tag);
  }

  template <class T>
  Result<T> run(Task<Result<T>> task) {
    return testing::run_task(
        io, with_deadline(std::move(task), std::chrono::seconds(20), "this test's step"));
  }
  Result<PushResult> ensure(const std::string& path, const layer::Blob& blob, Access access = {},
                            std::optional<oci::Repository> mount_from = {}) {
    return run(client->ensure_blob(repository(path), blob, std::move(mount_from), access));
  }
  /// Layer, config, manifest by tag.
  Result<void> push(const std::string& path, const SmallImage& image, Access access = {}) {
    for (const auto& blob : {image.layer, image.config})
      if (auto pushed = ensure(path, blob, access); !pushed) return pushed.error();
    return run(client->put_manifest(repository(path), "v1", image.manifest, access));
  }

  boost::asio::io_context io;
  SystemClock clock;
  std::optional<RegistryProcess> registry;
  std::unique_ptr<CountingClient> http;
  std::optional<HttpRegistryClient> client;
};

#define KILN_SERVE(...)     \
  this->serve(__VA_ARGS__); \
  if (this->IsSkipped()) return

}  // namespace kiln::registry
