#include "tests/integration/git/http_server.h"

#include <unistd.h>

#include <sstream>
#include <stdexcept>

#include "core/base/process.h"
#include "tests/integration/http/certificates.h"

namespace kiln::source {
namespace {

constexpr const char* kBackend = "/usr/lib/git-core/git-http-backend";
constexpr const char* kServerPath = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin";

std::string program(const char* name) {
  const auto found = find_program(name, kServerPath);
  return found ? found->string() : std::string();
}

std::string hashed(const std::string& password) {
  Command command("openssl", {"passwd", "-apr1", "-stdin"});
  auto done = run_process(command, password + "\n");
  if (!done || !done->status.ok()) throw std::runtime_error("openssl passwd failed");
  return done->output;
}

}  // namespace

std::optional<std::string> GitHttpServer::missing_program() {
  for (const auto* name : {"nginx", "fcgiwrap"})
    if (program(name).empty()) return name;
  if (::access(kBackend, X_OK) != 0) return kBackend;
  if (http::Certificates::get() == nullptr) return "openssl";
  return std::nullopt;
}

GitHttpServer::GitHttpServer(std::uint16_t lfs_port, std::uint16_t auth_port)
    : folder_(std::move(TempDir::create("kiln-git-http-").value())) {
  const auto ports = free_ports(2);
  port_ = ports[0];
  tls_port_ = ports[1];
  const auto& certificates = *http::Certificates::get();
  authority_ = certificates.ca_pem;
  const auto& folder = folder_.path();
  std::filesystem::create_directory(repositories());
  write_file_atomically(folder / "cert.pem", certificates.server.cert_pem).value();
  write_file_atomically(folder / "key.pem", certificates.server.key_pem).value();
  write_file_atomically(folder / "users", "me:" + hashed("correct horse")).value();
  write_file_atomically(folder / "params", params()).value();
  write_file_atomically(folder / "nginx.conf", config(lfs_port, auth_port)).value();
  const auto socket = folder / "socket";
  fcgi_ = std::make_unique<ServerProcess>(
      std::vector<std::string>{program("fcgiwrap"), "-c", "4", "-s", "unix:" + socket.string()},
      folder / "log");
  fcgi_->wait_for_file(socket);
  nginx_ = std::make_unique<ServerProcess>(
      std::vector<std::string>{program("nginx"), "-p", folder.string(), "-c",
                               (folder / "nginx.conf").string()},
      folder / "log");
  nginx_->wait_for_port(port_);
}

std::string GitHttpServer::config(std::uint16_t lfs_port, std::uint16_t auth_port) const {
  const auto folder = folder_.path().string();
  const auto backend = [&](const std::string& place, const std::string& more) {
    return "location ~ ^/" + place + "/(.*)$ { " + more + "include " + folder +
           "/params; fastcgi_param PATH_INFO /$1; fastcgi_pass unix:" + folder + "/socket; }\n";
  };
  std::string text = "daemon off; worker_processes 1; pid " + folder + "/pid;\n" + "error_log " +
                     folder + "/log;\n";
  if (::geteuid() == 0) text += "user root;\n";
  text += "events {}\nhttp {\nlog_format brief '$request_method $uri $status';\naccess_log " +
          folder + "/access brief;\nclient_max_body_size 100m; fastcgi_buffering off;\n";
  for (const auto* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    text += std::string(kind) + "_temp_path " + folder + "/" + kind + ";\n";
  text += "server {\nlisten 127.0.0.1:" + std::to_string(port_) +
          ";\nlisten 127.0.0.1:" + std::to_string(tls_port_) + " ssl;\nssl_certificate " + folder +
          "/cert.pem;\nssl_certificate_key " + folder + "/key.pem;\n";
  if (lfs_port != 0)
    text += "location ~ /info/lfs/ { proxy_pass http://127.0.0.1:" + std::to_string(lfs_port) +
            "; proxy_set_header Host $http_host; }\n";
  if (auth_port != 0)
    text +=
        "location = /auth { internal; proxy_pass http://127.0.0.1:" + std::to_string(auth_port) +
        "; proxy_pass_request_body off; proxy_set_header Content-Length \"\"; }\n" +
        backend("app", "auth_request /auth; ");
  text += backend("git", "");
  text += backend("private", "auth_basic git; auth_basic_user_file " + folder + "/users; ");
  text += backend("token", "if ($http_authorization != \"Bearer letmein\") { return 401; } ");
  text += "location ~ ^/moved/(.*)$ { return 301 /git/$1$is_args$args; }\n";
  for (const auto* status : {"401", "403", "404", "429", "500", "503"})
    text += "location /status/" + std::string(status) + "/ { return " + status + "; }\n";
  return text + "}\n}\n";
}

/// What every place passes on: nginx inherits none of it where a place has one of its own.
std::string GitHttpServer::params() const {
  std::string text =
      "fastcgi_param SCRIPT_FILENAME " + std::string(kBackend) +
      ";\nfastcgi_param GIT_PROJECT_ROOT " + repositories().string() +
      ";\nfastcgi_param GIT_HTTP_EXPORT_ALL 1;\nfastcgi_param HOME /nonexistent;\n"
      "fastcgi_param GIT_CONFIG_COUNT 1;\nfastcgi_param GIT_CONFIG_KEY_0 safe.directory;\n"
      "fastcgi_param GIT_CONFIG_VALUE_0 *;\nfastcgi_param GIT_PROTOCOL $http_git_protocol;\n";
  for (const auto* name :
       {"QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_USER"}) {
    std::string variable = name;
    for (auto& c : variable) c = static_cast<char>(std::tolower(c));
    text += "fastcgi_param " + std::string(name) + " $" + variable + ";\n";
  }
  text += "fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;\n";
  return text;
}

GitUrl GitHttpServer::url(const std::string& path, const std::string& host) const {
  return GitUrl::parse("http://" + host + ":" + std::to_string(port_) + path).value();
}

GitUrl GitHttpServer::https_url(const std::string& path, const std::string& host) const {
  return GitUrl::parse("https://" + host + ":" + std::to_string(tls_port_) + path).value();
}

std::vector<std::string> GitHttpServer::requests() const {
  const auto text = read_file(folder_.path() / "access", 1 << 20);
  std::vector<std::string> lines;
  std::istringstream stream(text ? *text : "");
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace kiln::source
