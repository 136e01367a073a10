#include "controller/plan/named_data.h"

#include <utility>

#include "core/base/encoding.h"
#include "core/base/json.h"
#include "core/base/json_scan.h"

namespace kiln::plan {
namespace {

Error wrong(std::string_view field, std::string_view key, std::string_view what) {
  return {Errc::kInvalid,
          std::string(field) + "[\"" + std::string(key) + "\"] " + std::string(what)};
}

Result<void> read_texts(const Json& object, std::string_view field, NamedData& into) {
  const auto& texts = json_at(object, field);
  if (texts.is_null()) return {};
  if (!texts.is_object()) return Error(Errc::kInvalid, std::string(field) + " must be an object");
  for (const auto& [key, value] : texts.items()) {
    if (!value.is_string()) return wrong(field, key, "must be a string: put it in quotes");
    into.files.insert_or_assign(key, value.get<std::string>());
  }
  return {};
}

Result<void> read_base64(const Json& object, std::string_view field, NamedData& into) {
  NamedData encoded;
  KILN_TRY(read_texts(object, field, encoded));
  for (const auto& [key, text] : encoded.files) {
    std::string compact;  // Manifests wrap long base64 over several lines.
    for (const char c : text)
      if (c != '\n' && c != '\r' && c != ' ') compact += c;
    auto bytes = base64_decode(compact);
    if (!bytes) return wrong(field, key, "is not base64");
    into.files.insert_or_assign(key, std::move(*bytes));
  }
  return {};
}

NamedData begin(const Json& object) {
  NamedData data;
  data.resource_version = json_string(json_at(object, "metadata"), "resourceVersion");
  data.type = json_string(object, "type");
  return data;
}

bool is_pem(const std::string& text) {
  return text.find("-----BEGIN ") != std::string::npos;
}

/// As servers write it, and in ASCII; nullopt where a parser has to look.
std::optional<NamedData> scan_config_map(std::string_view json) {
  const auto is_plain = [](const JsonScan::Part& part) {
    const auto name = json_ascii_text(part.whole.substr(0, part.name.size() + 2));
    return name && *name == part.name;
  };
  NamedData data;
  bool found = false;
  JsonScan members(json);
  while (const auto member = members.next()) {
    if (member->name == "binaryData" || !is_plain(*member)) return std::nullopt;
    if (member->name == "metadata")
      data.resource_version = plain_json_text(json_member(member->value, "resourceVersion"));
    if (member->name != "data") continue;
    if (member->value.front() != '{' || std::exchange(found, true)) return std::nullopt;
    JsonScan files(member->value);
    while (const auto file = files.next()) {
      auto text = json_ascii_text(file->value);
      if (!text || !is_plain(*file)) return std::nullopt;
      data.files.insert_or_assign(std::string(file->name), std::move(*text));
    }
    if (!files.is_complete()) return std::nullopt;
  }
  if (!members.is_complete()) return std::nullopt;
  return data;
}

}  // namespace

Result<NamedData> parse_config_map(std::string_view json) {
  if (auto scanned = scan_config_map(json)) return std::move(*scanned);
  const auto object = parse_json(json);
  if (!object) return object.error();
  auto data = begin(*object);
  KILN_TRY(read_texts(*object, "data", data));
  KILN_TRY(read_base64(*object, "binaryData", data));
  return data;
}

Result<NamedData> parse_secret(std::string_view json) {
  const auto object = parse_json(json);
  if (!object) return object.error();
  auto data = begin(*object);
  KILN_TRY(read_base64(*object, "data", data));
  KILN_TRY(read_texts(*object, "stringData", data));
  return data;
}

Result<std::shared_ptr<const http::TlsOptions>> tls_of(const NamedData& secret) {
  auto tls = std::make_shared<http::TlsOptions>();
  const auto take = [&](const char* key) {
    const auto found = secret.files.find(key);
    return found == secret.files.end() ? std::string() : found->second;
  };
  tls->ca_pem = take("ca.crt");
  tls->client_cert_pem = take("tls.crt");
  tls->client_key_pem = take("tls.key");
  if (tls->ca_pem.empty() && tls->client_cert_pem.empty())
    return Error(Errc::kInvalid,
                 "has neither ca.crt nor tls.crt: store the certificate authority as ca.crt");
  if (tls->client_cert_pem.empty() != tls->client_key_pem.empty())
    return Error(Errc::kInvalid,
                 "has only one of tls.crt and tls.key: a client certificate needs both");
  for (const auto& [key, text] :
       {std::pair("ca.crt", &tls->ca_pem), std::pair("tls.crt", &tls->client_cert_pem),
        std::pair("tls.key", &tls->client_key_pem)})
    if (!text->empty() && !is_pem(*text))
      return Error(Errc::kInvalid, std::string("has something else than PEM in ") + key +
                                       ": it must begin with -----BEGIN");
  return std::shared_ptr<const http::TlsOptions>(std::move(tls));
}

}  // namespace kiln::plan
