#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/keychain.h"
#include "cli/login_file.h"
#include "cli/login_prompt.h"
#include "cli/registries.h"
#include "cli/terminal.h"
#include "core/auth/helper/credential_helper.h"
#include "core/base/stoppable.h"

namespace kiln::cli {
namespace {

struct LoginOptions {
  std::string registry;
  std::string user;
  bool password_stdin = false;
  RegistryFlags flags;
};

class OneCredential final : public auth::Keychain {
 public:
  explicit OneCredential(auth::Credential credential) : credential_(std::move(credential)) {}
  std::vector<auth::Credential> find(const oci::Repository&) const override {
    return {credential_};
  }

 private:
  auth::Credential credential_;
};

/// The registry as references name it, so that what is kept for it is found again.
Result<std::string> registry_named(const std::string& text) {
  const auto registry = auth::registry_of_key(text);
  if (registry) {
    const auto repository = oci::Reference::parse_repository(*registry + "/x");
    if (repository && repository->registry == *registry) return *registry;
  }
  return Error(Errc::kInvalid, "\"" + text +
                                   "\" is no registry: write its host, such as ghcr.io, docker.io "
                                   "or localhost:5000");
}

std::string wrong_registry(const std::string& text) {
  const auto registry = registry_named(text);
  return registry ? "" : registry.error().message;
}

std::string wrong_user(const std::string& text) {
  if (text.empty()) return "the user must have a name";
  return text.find(':') == std::string::npos ? "" : "the name of a user has no colon";
}

Result<auth::Credential> enter(const LoginOptions& options, const std::stop_token& stop) {
  auth::Credential credential;
  credential.username = options.user;
  if (credential.username.empty()) {
    auto user = ask(STDIN_FILENO, "Username: ", Echo::kOn, stop);
    if (!user) return std::move(user).error();
    if (const auto wrong = wrong_user(*user); !wrong.empty()) return Error(Errc::kInvalid, wrong);
    credential.username = std::move(*user);
  }
  auto password = options.password_stdin ? read_secret(STDIN_FILENO, stop)
                                         : ask(STDIN_FILENO, "Password: ", Echo::kOff, stop);
  if (!password) return std::move(password).error();
  if (password->empty()) return Error(Errc::kInvalid, "the password is empty");
  credential.password = std::move(*password);
  return credential;
}

Result<auth::CredentialHelper> helper_named(const std::string& name, std::stop_token stop) {
  auth::HelperOptions options;
  options.stop = std::move(stop);
  return auth::CredentialHelper::named(name, std::move(options));
}

/// Into the helper that the file names, which then has no more of it than docker leaves there; else
/// into the file. Answers who keeps it.
Result<std::string> keep(const LoginFile& file, const std::string& registry,
                         const auth::Credential& credential, std::stop_token stop) {
  const auto name = file.helper_for(registry);
  if (name.empty()) {
    KILN_TRY(file.add(registry, credential));
    return file.path().string();
  }
  const auto helper = helper_named(name, std::move(stop));
  if (!helper) return Error(helper.error()).while_doing(file.path().string());
  KILN_TRY(helper->store(auth::docker_key(registry), credential));
  KILN_TRY(file.add(registry, auth::Credential()));
  return helper->program();
}

Task<Result<int>> login(std::shared_ptr<const LoginOptions> options, Engine engine) {
  if (!options->password_stdin && ::isatty(STDIN_FILENO) != 1) {
    fail(
        "standard input is no terminal to ask for the password on; write it there, with -u USER "
        "--password-stdin");
    co_return kWrongUsage;
  }
  const auto registries = Registries::create(options->flags);
  if (!registries) co_return registries.error();
  auto file = LoginFile::read(own_environment());
  if (!file) co_return std::move(file).error();
  auto registry = registry_named(options->registry);
  if (!registry) co_return std::move(registry).error();

  auto entering = [options](const std::stop_token& stop) { return enter(*options, stop); };
  auto credential = co_await run_stoppable(engine.pool, std::move(entering));
  if (!credential) co_return std::move(credential).error();
  auto access = registries->access(*registry);
  access.keychain = std::make_shared<const OneCredential>(*credential);
  const auto asked = co_await engine.registry.check_login(*registry, access);
  if (!asked) {
    auto refused = asked.error();
    refused.message += "; nothing was stored";
    co_return refused;
  }
  if (!*asked) warn(*registry + " asked for no credentials, so nobody checked these");

  const bool has_helper = !file->helper_for(*registry).empty();
  auto keeping = [file = *file, registry = *registry,
                  credential = *credential](std::stop_token stop) {
    return keep(file, registry, credential, std::move(stop));
  };
  const auto kept = co_await run_stoppable(engine.pool, std::move(keeping));
  if (!kept) co_return Error(kept.error()).while_doing("storing the credentials");
  if (!has_helper)
    warn("the password is stored unencrypted in " + *kept +
         "; name a credential helper there (\"credsStore\") to have it kept safely");
  tell("logged in to " + *registry + "; " + *kept + " keeps the credentials");
  co_return kDone;
}

/// Out of the file first: that works also when the helper does not. False = it was not there.
Result<bool> forget(const LoginFile& file, const std::string& registry, std::stop_token stop) {
  auto removed = file.remove(registry);
  const auto name = file.helper_for(registry);
  if (!removed || name.empty()) return removed;
  const auto helper = helper_named(name, std::move(stop));
  if (!helper) return Error(helper.error()).while_doing(file.path().string());
  KILN_TRY(helper->erase(auth::docker_key(registry)));
  return true;
}

Task<Result<int>> logout(std::shared_ptr<const LoginOptions> options, Engine engine) {
  auto file = LoginFile::read(own_environment());
  if (!file) co_return std::move(file).error();
  auto registry = registry_named(options->registry);
  if (!registry) co_return std::move(registry).error();
  auto forgetting = [file = *file, registry = *registry](std::stop_token stop) {
    return forget(file, registry, std::move(stop));
  };
  const auto forgotten = co_await run_stoppable(engine.pool, std::move(forgetting));
  if (!forgotten) co_return forgotten.error();
  tell((*forgotten ? "logged out of " : "not logged in to ") + *registry);
  const auto others = UserKeychain::read(own_environment());
  if (!others) warn(others.error().message);
  if (!others) co_return kDone;
  for (const auto& path : (*others)->files_with(*registry))
    warn(path.string() + " still has credentials that fit " + *registry);
  co_return kDone;
}

void add_registry(CLI::App& command, LoginOptions& options) {
  command.add_option("REGISTRY", options.registry, "Host of the registry; docker.io is Docker Hub")
      ->required()
      ->check(CLI::Validator(wrong_registry, ""));
}

}  // namespace

void add_login(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<LoginOptions>();
  auto* logging_in = app.add_subcommand("login", "Check and store credentials for a registry");
  logging_in->footer(
      "Stored as docker, podman and crane read them: by the helper that the config\n"
      "file names (credHelpers, credsStore), else in the file: $REGISTRY_AUTH_FILE,\n"
      "$DOCKER_CONFIG/config.json or ~/.docker/config.json.\n"
      "\n"
      "Examples:\n"
      "  kiln login registry.example.com\n"
      "  kiln login ghcr.io -u me --password-stdin <token.txt");
  add_registry(*logging_in, *options);
  auto* user =
      logging_in
          ->add_option("-u,--username", options->user, "Who to log in as (default: asked for)")
          ->type_name("USER")
          ->check(CLI::Validator(wrong_user, ""));
  logging_in
      ->add_flag("--password-stdin", options->password_stdin,
                 "Read the password, or a token, from standard input (default: asked for)")
      ->needs(user);
  // Not offered. Known, because the complaint about an unknown flag would repeat the secret.
  logging_in
      ->add_option_function<std::string>(
          "-p,--password",
          [](const std::string&) {
            throw CLI::ValidationError(
                "a password on the command line is for everybody to see; use --password-stdin");
          })
      ->group("");
  options->flags.add_to(*logging_in);
  logging_in->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return login(options, engine); };
  });

  auto* logging_out = app.add_subcommand("logout", "Remove the stored credentials for a registry");
  logging_out->footer(
      "Examples:\n"
      "  kiln logout registry.example.com");
  add_registry(*logging_out, *options);
  logging_out->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return logout(options, engine); };
  });
}

}  // namespace kiln::cli
