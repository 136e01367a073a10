#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/deadline.h"
#include "core/http/beast/client.h"
#include "core/http/beast/resolver.h"
#include "core/source/git_source.h"
#include "tests/integration/git/http_server.h"
#include "tests/integration/git/repository_maker.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::source {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

/// A path of content as one line: "-rw index.html 5", "-rwx run.sh 3", "link -> target".
inline std::string line_of(const layer::Entry& entry) {
  if (entry.kind == layer::EntryKind::kSymlink) return entry.path + " -> " + entry.link_target;
  return (entry.mode == 0755   ? "-rwx "
          : entry.mode == 0644 ? "-rw "
                               : "-? ") +
         entry.path + " " + std::to_string(entry.content.size_bytes());
}

inline std::vector<std::string> lines_of(const Content& content) {
  std::vector<std::string> lines;
  for (const auto& [path, entry] : content.tree.entries()) lines.push_back(line_of(entry));
  return lines;
}

inline std::vector<std::string> paths_of(const Content& content) {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : content.tree.entries()) paths.push_back(path);
  return paths;
}

inline Result<std::string> bytes_of(const Content& content, const std::string& path) {
  const auto* entry = content.tree.find(path);
  if (entry == nullptr) return Error(Errc::kNotFound, "no " + path + " in the content");
  auto source = entry->content.open();
  if (!source) return std::move(source).error();
  return read_all(**source, 64 << 20);
}

/// 100,000 bytes that no program can make smaller; others for each number.
inline std::string noise(unsigned number) {
  std::mt19937 random(number);
  std::string bytes(100'000, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// A real client with a cache of its own.
class GitClientTest : public ::testing::Test {
 protected:
  GitClientTest() { new_client(); }

  /// One that has asked nobody yet, on the same cache.
  void new_client() {
    client.reset();
    auto given = options;
    if (given.cache_dir.empty()) given.cache_dir = cache.path() / "git";
    http = http::make_client(io.get_executor(), http_options);
    client = std::make_unique<GitClient>(std::move(given), *names, *http, pool, clock);
  }
  void forget_cache() {
    client.reset();
    std::filesystem::remove_all(cache.path() / "git");
    new_client();
  }

  Result<Content> fetch(GitRequest request) {
    GitSource source(*client, std::move(request));
    return run(source.fetch());
  }
  template <class T>
  Result<T> run(Task<Result<T>> task, std::chrono::seconds limit = std::chrono::seconds(60)) {
    return testing::run_task(io, with_deadline(std::move(task), limit, "this test's step"));
  }
  /// Of all files that the cache has, and how many packs.
  std::uint64_t bytes_in_cache() const {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(cache.path()))
      if (file.is_regular_file()) bytes += file.file_size();
    return bytes;
  }
  std::size_t packs_in_cache() const {
    std::size_t packs = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(cache.path()))
      if (file.path().extension() == ".pack") ++packs;
    return packs;
  }
  static GitCredentials who(const std::map<std::string, std::string>& keys, const GitUrl& url) {
    return GitCredentials::parse(keys, url).value();
  }

  boost::asio::io_context io;
  SystemClock clock;
  TempDir cache = std::move(*TempDir::create("kiln-git-test-"));
  http::Resolver resolver{2};
  http::HostResolver* names = &resolver;  ///< Who the next client asks for addresses.
  WorkPool pool{4};
  GitClient::Options options;
  http::ClientOptions http_options{};  ///< Of what asks LFS servers and GitHub's API.
  std::unique_ptr<http::Client> http;
  std::unique_ptr<GitClient> client;
};

/// And a real server.
class GitHttpTest : public GitClientTest {
 protected:
  void SetUp() override {
    if (const auto missing = GitHttpServer::missing_program())
      GTEST_SKIP() << "there is no " << *missing;
    server.emplace(lfs_port, auth_port);
  }
  RepositoryMaker repository(const std::string& name = "site.git",
                             const std::string& object_format = "sha1") const {
    return RepositoryMaker(server->repositories() / name, object_format);
  }
  GitRequest request(const std::string& name = "site.git") const {
    return GitRequest(server->url("/git/" + name));
  }

  std::uint16_t lfs_port = 0;
  std::uint16_t auth_port = 0;
  std::optional<GitHttpServer> server;
};

}  // namespace kiln::source
