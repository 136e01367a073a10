#include "cli/keychain.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/terminal.h"
#include "core/base/file.h"

namespace kiln::cli {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1024 * 1024;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

std::vector<std::filesystem::path> candidate_files() {
  std::vector<std::filesystem::path> files;
  if (const auto file = environment("REGISTRY_AUTH_FILE"); !file.empty()) files.emplace_back(file);
  if (const auto folder = environment("DOCKER_CONFIG"); !folder.empty())
    files.emplace_back(std::filesystem::path(folder) / "config.json");
  else if (const auto home = environment("HOME"); !home.empty())
    files.emplace_back(std::filesystem::path(home) / ".docker" / "config.json");
  if (const auto run = environment("XDG_RUNTIME_DIR"); !run.empty())
    files.emplace_back(std::filesystem::path(run) / "containers" / "auth.json");
  return files;
}

}  // namespace

Result<std::shared_ptr<const auth::Keychain>> user_keychain() {
  std::vector<std::shared_ptr<const auth::Keychain>> chain;
  for (const auto& file : candidate_files()) {
    auto bytes = read_file(file, kMaxConfigBytes);
    if (!bytes && bytes.error().code == Errc::kNotFound) continue;
    if (!bytes) return std::move(bytes).error();
    auto config = auth::DockerConfig::parse(*bytes);
    if (!config) return std::move(config).error().while_doing(file.string());
    if (config->names_helpers())
      warn(file.string() + " names a credential helper; helpers are not run by this version");
    chain.push_back(std::make_shared<auth::DockerConfig>(std::move(*config)));
  }
  return std::shared_ptr<const auth::Keychain>(
      std::make_shared<auth::KeychainChain>(std::move(chain)));
}

}  // namespace kiln::cli
