#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/auth/credential.h"
#include "core/base/error.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/registry/client.h"

namespace CLI {
class App;
}

namespace kiln::cli {

class UserKeychain;

/// --insecure, --insecure=HOST and --ca.
struct RegistryFlags {
  bool insecure_all = false;
  std::vector<std::string> insecure_hosts{};
  std::string ca_file{};

  /// Adds the flags. Lifetime: this object outlives the parsing.
  void add_to(CLI::App& command);
};

/// How registries are reached for the user: their own credentials, and what the flags say.
class Registries {
 public:
  /// Reads the user's credentials and the CA file. Errors: those of the files, naming them.
  [[nodiscard]] static Result<Registries> create(const RegistryFlags& flags);

  /// Has the helper programs that the user's config names asked about this registry, once: to be
  /// called before it is used. Copies share what was learnt. Errors: those of the helpers.
  /// Lifetime: this and `pool` outlive the task.
  [[nodiscard]] Task<Result<void>> prepare(std::string registry, WorkPool& pool);
  registry::Access access(const std::string& registry) const;
  /// What the flags say, put on top of another access (a manifest's).
  void apply_flags(registry::Access& access, const std::string& registry) const;
  std::shared_ptr<const auth::Keychain> keychain() const;

 private:
  RegistryFlags flags_;
  std::shared_ptr<UserKeychain> user_;  // Shared with the accesses: prepare() adds to it.
  std::shared_ptr<const http::TlsOptions> ca_;
};

}  // namespace kiln::cli
