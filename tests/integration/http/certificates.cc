#include "tests/integration/http/certificates.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/file.h"

namespace kiln::http {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = R"([ca]
default_ca = this
[this]
dir = .
database = index.txt
new_certs_dir = .
serial = serial
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = kiln
[authority]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
keyUsage = critical,keyCertSign,cRLSign
)";

bool run(const fs::path& folder, const std::string& command) {
  return std::system(("cd " + folder.string() + " && " + command + " >>log 2>&1").c_str()) == 0;
}

std::string read(const fs::path& path) {
  return read_file(path, 1024 * 1024).value();
}

bool make_key(const fs::path& folder, const std::string& name) {
  return run(folder, "openssl ecparam -name prime256v1 -genkey -noout -out " + name + ".key");
}

bool make(const fs::path& folder, const std::string& name, const std::string& san,
          const std::string& dates) {
  const auto extension = san.empty() ? std::string() : " -addext subjectAltName=" + san;
  return make_key(folder, name) &&
         run(folder, "openssl req -new -config conf -key " + name + ".key -subj /CN=" + name +
                         extension + " -out " + name + ".csr") &&
         run(folder, "openssl ca -batch -notext -config conf -in " + name + ".csr -out " + name +
                         ".pem " + dates);
}

std::unique_ptr<Certificates> make_all() {
  auto temp = TempDir::create("kiln-certificates-");
  if (!temp) return nullptr;
  const auto& folder = temp->path();
  std::ofstream(folder / "conf") << kConfig;
  std::ofstream(folder / "index.txt");
  std::ofstream(folder / "serial") << "1000\n";
  const std::string valid = "-days 2";
  if (!make_key(folder, "ca") ||
      !run(folder,
           "openssl req -new -x509 -config conf -extensions authority -key ca.key -days 2 "
           "-subj '/CN=Test Authority' -out ca.pem") ||
      !make(folder, "server", "DNS:localhost,IP:127.0.0.1", valid) ||
      !make(folder, "other", "DNS:other.example.com", valid) ||
      !make(folder, "expired", "IP:127.0.0.1",
            "-startdate 20200101000000Z -enddate 20200102000000Z") ||
      !make(folder, "client", "", valid))
    return nullptr;
  auto made = std::make_unique<Certificates>();
  made->ca_pem = read(folder / "ca.pem");
  const auto pair = [&](const std::string& name) {
    return KeyPair{read(folder / (name + ".pem")), read(folder / (name + ".key"))};
  };
  made->server = pair("server");
  made->other = pair("other");
  made->expired = pair("expired");
  made->client = pair("client");
  return made;
}

}  // namespace

const Certificates* Certificates::get() {
  static const std::unique_ptr<Certificates> made = make_all();
  return made.get();
}

}  // namespace kiln::http
