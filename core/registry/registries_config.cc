#include "core/registry/registries_config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <utility>

#include "core/base/file.h"
#include "core/base/yaml_check.h"

namespace kiln::registry {
namespace {

constexpr std::uint64_t kMaxFileBytes = 1024 * 1024;
constexpr std::uint64_t kMaxChunkBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxParallel = 64;

Error invalid(std::string message) {
  return {Errc::kInvalid, std::move(message)};
}

/// A mapping of the file, with its place for messages: "registries[0].mirrors[1]".
struct Part {
  YAML::Node node;
  std::string where;
  const std::filesystem::path& folder;

  Result<void> check_keys(std::initializer_list<std::string_view> known) const {
    if (!node.IsMap()) return invalid(where + " must be a mapping");
    for (const auto& entry : node) {
      const auto key = entry.first.IsScalar() ? entry.first.Scalar() : std::string("?");
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      std::string list;
      for (const auto name : known) list += (list.empty() ? "" : ", ") + std::string(name);
      return invalid(where + " has no field \"" + key.substr(0, 64) + "\"; there are " + list);
    }
    return {};
  }

  Result<std::string> text(const char* key) const {
    const auto value = node[key];
    if (!value || value.IsNull()) return std::string();
    if (!value.IsScalar()) return invalid(where + "." + key + " must be text");
    return value.Scalar();
  }

  Result<bool> flag(const char* key) const {
    const auto value = text(key);
    if (!value) return value.error();
    if (value->empty() || *value == "false") return false;
    if (*value == "true") return true;
    return invalid(where + "." + key + " must be true or false");
  }

  Result<std::uint64_t> number(const char* key, std::uint64_t most) const {
    const auto value = text(key);
    if (!value) return value.error();
    if (value->empty()) return std::uint64_t{0};
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc() || end != value->data() + value->size() || number == 0 ||
        number > most)
      return invalid(where + "." + key + " must be a number from 1 to " + std::to_string(most));
    return number;
  }

  /// The content of a file that a field names; "" when there is no such field.
  Result<std::string> file(const char* key) const {
    const auto name = text(key);
    if (!name) return name.error();
    if (name->empty()) return std::string();
    auto bytes = read_file(folder / *name, kMaxFileBytes);
    if (!bytes) return std::move(bytes).error().while_doing(where + "." + key);
    return bytes;
  }

  Result<std::shared_ptr<const http::TlsOptions>> tls() const {
    http::TlsOptions options;
    for (const auto& [key, into] : {std::pair("ca", &options.ca_pem),
                                    std::pair("clientCertificate", &options.client_cert_pem),
                                    std::pair("clientKey", &options.client_key_pem)}) {
      auto pem = file(key);
      if (!pem) return std::move(pem).error();
      *into = *std::move(pem);
    }
    if (options.client_cert_pem.empty() != options.client_key_pem.empty())
      return invalid(where + " needs both clientCertificate and clientKey, or neither");
    if (options.ca_pem.empty() && options.client_cert_pem.empty())
      return std::shared_ptr<const http::TlsOptions>();
    return std::make_shared<const http::TlsOptions>(std::move(options));
  }
};

/// "host[:port][/path]", as in references; Docker Hub by any of its names.
Result<oci::Repository> parse_place(const std::string& text) {
  const auto slash = text.find('/');
  const auto host = text.substr(0, slash);
  if (host.find_first_of(".:") == host.npos && host != "localhost")
    return invalid("\"" + text +
                   "\" must begin with a registry: HOST[:PORT], then a path if need be");
  // A name of two words, so that Docker Hub's "library/" is not put before it.
  const auto whole = slash == text.npos ? host + "/x/x" : text + "/x";
  auto parsed = oci::Reference::parse_repository(whole);
  if (!parsed) return std::move(parsed).error();
  parsed->path = slash == text.npos ? std::string() : text.substr(slash + 1);
  return parsed;
}

Result<Mirror> read_mirror(const Part& part) {
  KILN_TRY(part.check_keys(
      {"location", "insecure", "digestOnly", "ca", "clientCertificate", "clientKey"}));
  const auto location = part.text("location");
  if (!location) return location.error();
  if (location->empty()) return invalid(part.where + " has no location");
  auto place = parse_place(*location);
  if (!place) return std::move(place).error().while_doing(part.where + ".location");
  Mirror mirror(std::move(place->registry));
  mirror.path = std::move(place->path);
  const auto insecure = part.flag("insecure");
  if (!insecure) return insecure.error();
  const auto digest_only = part.flag("digestOnly");
  if (!digest_only) return digest_only.error();
  auto tls = part.tls();
  if (!tls) return std::move(tls).error();
  mirror.insecure = *insecure;
  mirror.digest_only = *digest_only;
  mirror.tls = *std::move(tls);
  return mirror;
}

Result<RegistrySettings> read_settings(const Part& part) {
  KILN_TRY(part.check_keys({"prefix", "mirrors", "insecure", "ca", "clientCertificate", "clientKey",
                            "chunkBytes", "parallel"}));
  const auto prefix = part.text("prefix");
  if (!prefix) return prefix.error();
  if (prefix->empty()) return invalid(part.where + " has no prefix");
  auto place = parse_place(*prefix);
  if (!place) return std::move(place).error().while_doing(part.where + ".prefix");
  RegistrySettings settings(*std::move(place));
  const auto insecure = part.flag("insecure");
  if (!insecure) return insecure.error();
  const auto chunk_bytes = part.number("chunkBytes", kMaxChunkBytes);
  if (!chunk_bytes) return chunk_bytes.error();
  const auto parallel = part.number("parallel", kMaxParallel);
  if (!parallel) return parallel.error();
  auto tls = part.tls();
  if (!tls) return std::move(tls).error();
  settings.insecure = *insecure;
  settings.chunk_bytes = *chunk_bytes;
  settings.parallel = static_cast<std::size_t>(*parallel);
  settings.tls = *std::move(tls);

  const auto mirrors = part.node["mirrors"];
  if (!mirrors || mirrors.IsNull()) return settings;
  if (!mirrors.IsSequence()) return invalid(part.where + ".mirrors must be a list");
  for (std::size_t i = 0; i < mirrors.size(); ++i) {
    const auto where = part.where + ".mirrors[" + std::to_string(i) + "]";
    auto mirror = read_mirror(Part{mirrors[i], where, part.folder});
    if (!mirror) return std::move(mirror).error();
    settings.mirrors.push_back(*std::move(mirror));
  }
  return settings;
}

Result<RegistriesConfig> read_all(const YAML::Node& root, const std::filesystem::path& folder) {
  if (root.IsNull()) return RegistriesConfig();
  KILN_TRY((Part{root, "the file", folder}.check_keys({"registries"})));
  const auto list = root["registries"];
  if (!list || list.IsNull()) return RegistriesConfig();
  if (!list.IsSequence()) return invalid("registries must be a list");
  std::vector<RegistrySettings> all;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto one = read_settings(Part{list[i], "registries[" + std::to_string(i) + "]", folder});
    if (!one) return std::move(one).error();
    for (const auto& other : all)
      if (other.prefix == one->prefix)
        return invalid("registries[" + std::to_string(i) + "].prefix stands twice");
    all.push_back(*std::move(one));
  }
  return RegistriesConfig(std::move(all));
}

bool is_below(const std::string& path, const std::string& prefix) {
  return prefix.empty() || path == prefix || path.starts_with(prefix + "/");
}

}  // namespace

Result<RegistriesConfig> RegistriesConfig::parse(std::string_view yaml,
                                                 const std::filesystem::path& folder) {
  if (yaml.size() > kMaxFileBytes) return invalid("the file is larger than 1 MiB");
  KILN_TRY(check_yaml(yaml));
  try {
    return read_all(YAML::Load(std::string(yaml)), folder);
  } catch (const YAML::Exception& e) {
    return invalid("not valid YAML (line " + std::to_string(e.mark.line + 1) + "): " + e.msg);
  }
}

Result<RegistriesConfig> RegistriesConfig::read(const std::filesystem::path& file) {
  auto text = read_file(file, kMaxFileBytes);
  if (!text) return std::move(text).error();
  auto registries = parse(*text, file.parent_path());
  if (!registries) return std::move(registries).error().while_doing(file.string());
  return registries;
}

const RegistrySettings* RegistriesConfig::find(const oci::Repository& repository) const {
  const RegistrySettings* best = nullptr;
  for (const auto& one : settings_) {
    const bool fits =
        one.prefix.registry == repository.registry && is_below(repository.path, one.prefix.path);
    if (fits && (!best || one.prefix.path.size() > best->prefix.path.size())) best = &one;
  }
  return best;
}

oci::Repository in_mirror(const Mirror& mirror, const oci::Repository& prefix,
                          const oci::Repository& repository) {
  auto rest = repository.path.substr(prefix.path.size());
  if (rest.starts_with('/')) rest.erase(0, 1);
  auto path = mirror.path;
  if (!path.empty() && !rest.empty()) path += "/";
  return {mirror.registry, path + rest};
}

}  // namespace kiln::registry
