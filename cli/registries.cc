#include "cli/registries.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/help.h"
#include "cli/keychain.h"
#include "core/base/file.h"

namespace kiln::cli {
namespace {

constexpr std::uint64_t kMaxCaBytes = 1024 * 1024;

}  // namespace

void RegistryFlags::add_to(CLI::App& command) {
  command.option_defaults()->group("Registries");
  command
      .add_option_function<std::vector<std::string>>(
          "--insecure",
          [this](const std::vector<std::string>& hosts) {
            for (const auto& host : hosts)
              if (host.empty() || host == "true")
                insecure_all = true;
              else
                insecure_hosts.push_back(host);
          },
          "Allow plain http and unverified TLS, for all registries or for HOST alone; may be "
          "repeated")
      ->option_text("[=HOST]")
      ->expected(0, 1)
      ->default_str("true")
      ->take_all();
  command
      .add_option("--ca", ca_file, "Certificate authorities (PEM) to trust besides the system's")
      ->type_name("FILE");
  command.option_defaults()->group(kOwnFlags);
}

Result<Registries> Registries::create(const RegistryFlags& flags) {
  Registries registries;
  registries.flags_ = flags;
  if (!flags.ca_file.empty()) {
    auto pem = read_file(flags.ca_file, kMaxCaBytes);
    if (!pem) return std::move(pem).error().while_doing("--ca");
    http::TlsOptions tls;
    tls.ca_pem = std::move(*pem);
    registries.ca_ = std::make_shared<const http::TlsOptions>(std::move(tls));
  }
  auto user = UserKeychain::read(own_environment());
  if (!user) return std::move(user).error();
  registries.user_ = std::move(*user);
  return registries;
}

Task<Result<void>> Registries::prepare(
    std::string registry,
    WorkPool& pool) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  return user_->ask_helpers(std::move(registry), pool);
}

std::shared_ptr<const auth::Keychain> Registries::keychain() const {
  return user_;
}

registry::Access Registries::access(const std::string& registry) const {
  registry::Access access;
  access.keychain = user_;
  apply_flags(access, registry);
  return access;
}

void Registries::apply_flags(registry::Access& access, const std::string& registry) const {
  const auto& hosts = flags_.insecure_hosts;
  access.insecure = access.insecure || flags_.insecure_all ||
                    std::find(hosts.begin(), hosts.end(), registry) != hosts.end();
  if (ca_ && !access.tls) access.tls = ca_;
}

}  // namespace kiln::cli
