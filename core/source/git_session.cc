#include "core/source/git_session.h"

#include <algorithm>

#include "core/base/encoding.h"
#include "core/source/git_errors.h"

namespace kiln::source {
namespace {

constexpr std::uint64_t kMaxAuthoritiesBytes = 4 << 20;
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

/// A value as a git config file has it. Source: git-config(1), "SYNTAX".
std::string in_quotes(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text + "\"";
}

std::string setting(std::string_view name, std::string_view value) {
  return "\t" + std::string(name) + " = " + in_quotes(value) + "\n";
}

/// "host:port:address,…" as curl's CURLOPT_RESOLVE has it.
std::string pinned(const GitServer& server) {
  std::string text = server.url.host() + ":" + std::to_string(server.url.port()) + ":";
  for (const auto& address : server.addresses) {
    if (&address != &server.addresses.front()) text += ",";
    text += address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  }
  return text;
}

bool is_address(const std::string& host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

std::string seconds(std::chrono::milliseconds duration) {
  return std::to_string(
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(duration).count()));
}

constexpr unsigned kPrivate = 0600;
constexpr unsigned kPrivateProgram = 0700;

}  // namespace

Result<GitSession> GitSession::open(const GitProgram& program, const GitServer& server) {
  auto folder = TempDir::create("kiln-git-");
  if (!folder) return std::move(folder).error();
  GitSession session(program, server, std::move(*folder));
  KILN_TRY(session.write_files());
  return session;
}

Result<void> GitSession::write_files() const {
  auto text = config();
  if (!text) return std::move(text).error();
  if (server_.url.is_ssh()) KILN_TRY(write_ssh_files());
  return write_file_atomically(path_of("config"), *text, kPrivate);
}

Result<std::string> GitSession::config() const {
  std::string text;
  text += "[protocol]\n" + setting("allow", "never");
  text += "[protocol " + in_quotes(server_.url.scheme_name()) + "]\n" + setting("allow", "always");
  text += "[remote \"origin\"]\n" + setting("url", server_.url.str());
  // So that objects that were left out on purpose are not missed.
  text += setting("promisor", "true") + setting("partialclonefilter", "blob:none");
  text += setting("tagOpt", "--no-tags");
  // One file, so that its size can be limited.
  text += "[fetch]\n" + setting("unpackLimit", "1") + setting("recurseSubmodules", "false") +
          setting("writeCommitGraph", "false");
  if (!server_.url.is_ssh()) KILN_TRY(write_http_files(text));
  return text;
}

Result<void> GitSession::write_http_files(std::string& config) const {
  config += "[http]\n" + setting("followRedirects", "false") + setting("proxy", proxy_url()) +
            setting("sslVerify", "true") + setting("emptyAuth", "false") +
            setting("saveCookies", "false") + setting("postBuffer", "8388608") +
            setting("lowSpeedLimit", "1") +
            setting("lowSpeedTime", seconds(program_.limits().idle));
  if (server_.proxy)
    config += setting("proxyAuthMethod", "basic");
  else if (!is_address(server_.url.host()))
    config += setting("curloptResolve", pinned(server_));

  const auto& credentials = server_.credentials;
  if (!credentials.tls().ca_pem.empty()) {
    // Beside the system's authorities: git knows only one file.
    auto system = read_file(kSystemAuthorities, kMaxAuthoritiesBytes);
    const auto all = (system ? *system : std::string()) + "\n" + credentials.tls().ca_pem;
    KILN_TRY(write_file_atomically(path_of("ca.pem"), all, kPrivate));
    config += setting("sslCAInfo", path_of("ca.pem"));
  }
  if (!credentials.tls().client_cert_pem.empty()) {
    KILN_TRY(
        write_file_atomically(path_of("cert.pem"), credentials.tls().client_cert_pem, kPrivate));
    KILN_TRY(write_file_atomically(path_of("key.pem"), credentials.tls().client_key_pem, kPrivate));
    config += setting("sslCert", path_of("cert.pem")) + setting("sslKey", path_of("key.pem"));
  }
  if (!credentials.authorization().empty())
    config += "[http " + in_quotes(server_.url.origin() + "/") + "]\n" +
              setting("extraHeader", "Authorization: " + credentials.authorization());
  return {};
}

/// With the credentials: that is where git looks for them. "" = none.
std::string GitSession::proxy_url() const {
  if (!server_.proxy) return "";
  const auto login = server_.proxy->login();
  const auto user = login.empty() ? ""
                                  : percent_encode(login.substr(0, login.find(':'))) + ":" +
                                        percent_encode(login.substr(login.find(':') + 1)) + "@";
  return "http://" + user + server_.proxy->url.host_port();
}

Result<void> GitSession::write_ssh_files() const {
  const auto& url = server_.url;
  const auto& credentials = server_.credentials;
  const auto& address = server_.addresses.front();
  const auto alias =
      url.has_default_port() ? url.host() : "[" + url.host() + "]:" + std::to_string(url.port());
  const auto file = [this](const char* name) { return "\"" + path_of(name) + "\""; };
  const std::vector<std::pair<const char*, std::string>> options = {
      {"HostName", address.to_string()},
      {"HostKeyAlias", alias},
      {"IdentityFile", file("identity")},
      {"IdentitiesOnly", "yes"},
      {"IdentityAgent", "none"},
      {"UserKnownHostsFile", file("known_hosts")},
      {"GlobalKnownHostsFile", "/dev/null"},
      {"StrictHostKeyChecking", "yes"},
      {"UpdateHostKeys", "no"},
      {"VerifyHostKeyDNS", "no"},
      {"CheckHostIP", "no"},
      {"PreferredAuthentications", "publickey"},
      {"PubkeyAuthentication", "yes"},
      {"NumberOfPasswordPrompts", "1"},
      {"ClearAllForwardings", "yes"},
      {"ForwardAgent", "no"},
      {"ForwardX11", "no"},
      {"PermitLocalCommand", "no"},
      {"ProxyCommand", "none"},
      {"ControlMaster", "no"},
      {"ControlPath", "none"},
      {"CanonicalizeHostname", "no"},
      {"RequestTTY", "no"},
      {"EscapeChar", "none"},
      {"ConnectTimeout", seconds(program_.limits().idle)},
      {"ServerAliveInterval", seconds(program_.limits().idle / 3)},
      {"ServerAliveCountMax", "3"},
      {"LogLevel", "ERROR"},
  };
  std::string text = "Host *\n";
  for (const auto& [name, value] : options) text += "  " + std::string(name) + " " + value + "\n";
  KILN_TRY(write_file_atomically(path_of("ssh_config"), text, kPrivate));
  KILN_TRY(write_file_atomically(path_of("identity"), credentials.identity(), kPrivate));
  KILN_TRY(write_file_atomically(path_of("known_hosts"), credentials.known_hosts(), kPrivate));
  if (credentials.passphrase().empty()) return {};
  KILN_TRY(write_file_atomically(path_of("passphrase"), credentials.passphrase() + "\n", kPrivate));
  return write_file_atomically(path_of("askpass"), "#!/bin/sh\nexec cat \"${0%/*}/passphrase\"\n",
                               kPrivateProgram);
}

Command GitSession::command(const std::filesystem::path& repository,
                            const std::vector<std::string>& arguments) const {
  auto command = program_.command(repository, arguments);
  auto& environment = command.environment;
  const auto folder = folder_.path().string();
  environment["HOME"] = folder;
  environment["GIT_CONFIG_GLOBAL"] = path_of("config");
  environment["GIT_ALLOW_PROTOCOL"] = server_.url.scheme_name();
  // A delta may stand on what was left out before; then git asks the same server once more.
  environment.erase("GIT_NO_LAZY_FETCH");
  if (repository.empty()) {
    command.directory = folder;
    environment["GIT_CEILING_DIRECTORIES"] = folder_.path().parent_path().string();
  }
  if (!server_.url.is_ssh()) return command;
  environment["GIT_SSH_COMMAND"] = "exec ssh -F \"$HOME/ssh_config\"";
  environment["GIT_SSH_VARIANT"] = "ssh";
  environment["SSH_ASKPASS"] =
      server_.credentials.passphrase().empty() ? "/bin/false" : path_of("askpass");
  environment["SSH_ASKPASS_REQUIRE"] = "force";
  return command;
}

Result<std::string> GitSession::run(const Command& command, std::string_view input,
                                    std::uint64_t output_limit_bytes) const {
  auto result = run_process(command, input, output_limit_bytes);
  if (!result) return std::move(result).error();
  if (result->status.ok()) return std::move(result->output);
  auto error = remote_git_error(result->status, result->errors, program_.limits());
  error.message = server_.credentials.without_secrets(std::move(error.message));
  if (server_.proxy) error.message = server_.proxy->without_login(std::move(error.message));
  // Without a tunnel a 401 may be either's.
  if (server_.proxy && error.code == Errc::kUnauthorized && server_.url.scheme_name() == "http")
    error.message += "; or the proxy does not take its own";
  return error;
}

}  // namespace kiln::source
