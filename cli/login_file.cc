#include "cli/login_file.h"

#include <sys/stat.h>

#include <cerrno>

#include "cli/keychain.h"
#include "core/base/encoding.h"
#include "core/base/file.h"
#include "core/base/json.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr int kMaxLinks = 40;  // As many as the system follows.

Result<fs::path> login_path(const Environment& environment) {
  for (const auto* name : {"REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "HOME"})
    if (!variable(environment, name).empty()) return credential_files(environment).front();
  return Error(Errc::kInvalid, "there is no place for credentials: set HOME or DOCKER_CONFIG");
}

/// Keys keep their order, which kiln::Json does not.
Result<OrderedJson> parse_config(std::string_view text) {
  const auto checked = parse_json(text);  // It knows limits that the other does not.
  if (!checked) return checked.error();
  auto config = OrderedJson::parse(text);
  if (!config.is_object()) return Error(Errc::kInvalid, "a docker config must be a JSON object");
  auto& auths = config["auths"];
  if (auths.is_null()) auths = OrderedJson::object();
  if (!auths.is_object())
    return Error(Errc::kInvalid, "the docker config's \"auths\" must be an object");
  return config;
}

/// Takes out every key of `auths` that stands for the registry. True if there was one.
bool take_out(OrderedJson& auths, const std::string& registry) {
  auto kept = OrderedJson::object();
  for (const auto& [key, value] : auths.items())
    if (auth::registry_of_key(key) != registry) kept[key] = value;
  const bool some = kept.size() != auths.size();
  auths = std::move(kept);
  return some;
}

OrderedJson entry_of(const auth::Credential& credential) {
  auto entry = OrderedJson::object();
  if (!credential.username.empty() || !credential.password.empty())
    entry["auth"] = base64_encode(credential.username + ":" + credential.password);
  if (!credential.identity_token.empty()) entry["identitytoken"] = credential.identity_token;
  if (!credential.registry_token.empty()) entry["registrytoken"] = credential.registry_token;
  return entry;
}

/// Where a file is that may be a link to elsewhere, or to nowhere yet.
fs::path behind_links(fs::path path) {
  std::error_code error;
  for (int links = 0; links < kMaxLinks && fs::is_symlink(path, error); ++links) {
    const auto target = fs::read_symlink(path, error);
    if (error) break;
    path = path.parent_path() / target;  // Alone, where it is absolute.
  }
  return path;
}

Result<void> make_private_folder(const fs::path& folder) {
  std::error_code ignored;
  if (folder.empty() || fs::is_directory(folder, ignored)) return {};
  KILN_TRY(make_private_folder(folder.parent_path()));
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return errno_error(errno, "cannot create", folder);
  return {};
}

}  // namespace

Result<std::string> with_login(std::string_view config, const std::string& registry,
                               const auth::Credential& credential) {
  auto document = parse_config(config);
  if (!document) return std::move(document).error();
  auto& auths = (*document)["auths"];
  take_out(auths, registry);
  auths[auth::docker_key(registry)] = entry_of(credential);
  return document->dump(1, '\t');
}

Result<std::string> without_login(std::string_view config, const std::string& registry) {
  auto document = parse_config(config);
  if (!document) return std::move(document).error();
  if (!take_out((*document)["auths"], registry)) return std::string(config);
  return document->dump(1, '\t');
}

Result<LoginFile> LoginFile::read(const Environment& environment) {
  auto path = login_path(environment);
  if (!path) return std::move(path).error();
  auto text = read_config(*path);
  if (!text) return std::move(text).error();
  auto config = auth::DockerConfig::parse(*text);
  if (!config) return std::move(config).error().while_doing(path->string());
  return LoginFile(std::move(*path), std::move(*text), std::move(*config));
}

Result<void> LoginFile::add(const std::string& registry, const auth::Credential& credential) const {
  auto text = with_login(text_, registry, credential);
  if (!text) return std::move(text).error().while_doing(path_.string());
  return write(*text);
}

Result<bool> LoginFile::remove(const std::string& registry) const {
  auto text = without_login(text_, registry);
  if (!text) return std::move(text).error().while_doing(path_.string());
  if (*text == text_) return false;
  KILN_TRY(write(*text));
  return true;
}

Result<void> LoginFile::write(std::string_view text) const {
  const auto path = behind_links(path_);
  KILN_TRY(make_private_folder(path.parent_path()));
  return write_file_atomically(path, text, 0600);
}

}  // namespace kiln::cli
