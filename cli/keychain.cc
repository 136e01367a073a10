#include "cli/keychain.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "core/auth/helper/credential_helper.h"
#include "core/base/file.h"
#include "core/base/stoppable.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = 1024 * 1024;

void append(std::vector<auth::Credential>& list, const auth::Credential& credential) {
  if (std::find(list.begin(), list.end(), credential) == list.end()) list.push_back(credential);
}

}  // namespace

struct UserKeychain::Question {
  std::size_t file;
  fs::path path;
  std::string helper;
};

struct UserKeychain::Found {
  std::size_t file;
  auth::Credential credential;
};

std::vector<fs::path> credential_files(const Environment& environment) {
  const auto value = [&](const std::string& name) { return fs::path(variable(environment, name)); };
  const fs::path containers = "containers/auth.json";
  const auto home = value("HOME");
  std::vector<fs::path> files;
  if (const auto file = value("REGISTRY_AUTH_FILE"); !file.empty()) files.push_back(file);
  if (const auto folder = value("DOCKER_CONFIG"); !folder.empty())
    files.push_back(folder / "config.json");
  else if (!home.empty())
    files.push_back(home / ".docker/config.json");
  if (const auto run = value("XDG_RUNTIME_DIR"); !run.empty())
    files.push_back(run / containers);
  else
    files.push_back(fs::path("/run/containers") / std::to_string(::getuid()) / "auth.json");
  if (const auto folder = value("XDG_CONFIG_HOME"); !folder.empty())
    files.push_back(folder / containers);
  else if (!home.empty())
    files.push_back(home / ".config" / containers);
  return files;
}

Result<std::string> read_config(const fs::path& path) {
  auto text = read_file(path, kMaxConfigBytes);
  if (!text && text.error().code != Errc::kNotFound) return text;
  if (!text || text->find_first_not_of(" \t\r\n") == std::string::npos) return std::string("{}");
  return text;
}

Result<std::shared_ptr<UserKeychain>> UserKeychain::read(Environment environment) {
  const auto paths = credential_files(environment);
  std::shared_ptr<UserKeychain> keychain(new UserKeychain(std::move(environment)));
  for (const auto& path : paths) {
    const auto text = read_config(path);
    if (!text) return text.error();
    auto config = auth::DockerConfig::parse(*text);
    if (!config) return std::move(config).error().while_doing(path.string());
    keychain->files_.push_back(File{path, std::move(*config)});
  }
  return keychain;
}

std::vector<auth::Credential> UserKeychain::find(const oci::Repository& repository) const {
  std::vector<auth::Credential> found;
  for (const auto& file : files_) {
    if (const auto it = file.from_helper.find(repository.registry); it != file.from_helper.end())
      append(found, it->second);
    for (const auto& credential : file.config.find(repository)) append(found, credential);
  }
  return found;
}

std::vector<fs::path> UserKeychain::files_with(const std::string& registry) const {
  std::vector<fs::path> paths;
  for (const auto& file : files_)
    if (!file.config.find({registry, ""}).empty()) paths.push_back(file.path);
  return paths;
}

std::vector<UserKeychain::Question> UserKeychain::questions_about(
    const std::string& registry) const {
  std::vector<Question> questions;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const auto& [path, config, from_helper] = files_[i];
    auto helper = config.helper_for(registry);
    if (!helper.empty()) questions.push_back({i, path, std::move(helper)});
    if (!config.find({registry, ""}).empty()) break;
  }
  return questions;
}

/// The first answer. Blocks.
Result<std::optional<UserKeychain::Found>> UserKeychain::ask(const std::vector<Question>& questions,
                                                             const Environment& environment,
                                                             const std::string& registry,
                                                             std::stop_token stop) {
  auth::HelperOptions options;
  options.environment = environment;
  options.stop = std::move(stop);
  for (const auto& [file, path, name] : questions) {
    const auto helper = auth::CredentialHelper::named(name, options);
    if (!helper) return Error(helper.error()).while_doing(path.string());
    auto credential = helper->get(auth::docker_key(registry));
    if (!credential) return std::move(credential).error().while_doing(path.string());
    if (*credential) return std::optional(Found{file, **credential});
  }
  return std::optional<Found>();
}

Task<Result<void>> UserKeychain::ask_helpers(
    std::string registry,
    WorkPool& pool) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  const auto permit = co_await one_at_a_time_.enter();
  if (!permit) co_return permit.error();
  if (asked_.contains(registry)) co_return Result<void>();
  auto questions = questions_about(registry);
  if (!questions.empty()) {
    auto work = [questions = std::move(questions), environment = environment_,
                 registry](std::stop_token stop) {
      return ask(questions, environment, registry, std::move(stop));
    };
    auto found = co_await run_stoppable(pool, std::move(work));
    if (!found) co_return std::move(found).error();
    if (*found) files_[(*found)->file].from_helper.insert_or_assign(registry, (*found)->credential);
  }
  asked_.insert(registry);
  co_return Result<void>();
}

}  // namespace kiln::cli
