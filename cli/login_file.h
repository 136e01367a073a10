#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "core/auth/credential.h"
#include "core/auth/docker_config.h"
#include "core/base/error.h"
#include "core/base/program.h"

namespace kiln::cli {

/// `config` with this credential as the only one for the registry as a whole, under docker's key;
/// with an empty one there is {}, which is what docker leaves where a helper keeps it. Everything
/// else stays, in its order; the form is docker's: tabs, no line break at the end.
/// Errors: kInvalid for what is no docker config.
[[nodiscard]] Result<std::string> with_login(std::string_view config, const std::string& registry,
                                             const auth::Credential& credential);

/// `config` without any for the registry as a whole. Those for a path below it stay.
/// Errors: as with_login().
[[nodiscard]] Result<std::string> without_login(std::string_view config,
                                                const std::string& registry);

/// The config file in which `kiln login` keeps credentials: $REGISTRY_AUTH_FILE, else config.json
/// in $DOCKER_CONFIG or ~/.docker. Not locked, as docker does not lock it: of two logins at the
/// same moment one may be lost, but the file is always whole.
class LoginFile {
 public:
  /// Reads it; it need not exist. Errors: kInvalid where no variable says where it is, and for what
  /// is no docker config; those of the file.
  [[nodiscard]] static Result<LoginFile> read(const Environment& environment);

  const std::filesystem::path& path() const { return path_; }
  /// See DockerConfig::helper_for().
  std::string helper_for(const std::string& registry) const { return config_.helper_for(registry); }

  /// Writes it anew with with_login(): readable for its owner alone, in a folder that is too where
  /// it must be made. A symbolic link stays one. Errors: those of the file.
  [[nodiscard]] Result<void> add(const std::string& registry,
                                 const auth::Credential& credential) const;
  /// The same with without_login(); false where nothing was to be done.
  [[nodiscard]] Result<bool> remove(const std::string& registry) const;

 private:
  LoginFile(std::filesystem::path path, std::string text, auth::DockerConfig config)
      : path_(std::move(path)), text_(std::move(text)), config_(std::move(config)) {}
  Result<void> write(std::string_view text) const;

  std::filesystem::path path_;
  std::string text_;
  auth::DockerConfig config_;
};

}  // namespace kiln::cli
