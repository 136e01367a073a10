#include "core/registry/protocol/error_body.h"

#include <algorithm>
#include <cctype>

#include "core/base/json.h"
#include "core/base/redact.h"

namespace kiln::registry::protocol {
namespace {

constexpr std::size_t kMaxBodyBytes = 64 * 1024;
constexpr std::size_t kMaxWords = 300;
constexpr std::size_t kMaxItems = 16;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : sanitize_server_text(text, kMaxWords))
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

/// A page's title; most proxies say there what they mean ("413 Request Entity Too Large").
std::string html_title(std::string_view body) {
  const auto text = lower(body.substr(0, 4096));
  const auto open = text.find("<title>");
  const auto close = text.find("</title>");
  if (open == text.npos || close == text.npos || close < open + 7) return "an HTML page";
  return one_line(body.substr(open + 7, close - open - 7));
}

bool is_code(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  });
}

/// Digests anywhere in `detail`: {"digest": …}, a list of these, or a plain string.
void collect_digests(const Json& detail, std::vector<oci::Digest>& out) {
  if (detail.is_string()) {
    const auto digest = oci::Digest::parse(detail.get_ref<const std::string&>());
    if (digest && out.size() < kMaxItems) out.push_back(*digest);
  } else if (detail.is_structured()) {
    for (const auto& inner : detail) collect_digests(inner, out);
  }
}

void read_items(const Json& items, ErrorBody& out) {
  std::size_t count = 0;
  for (const auto& item : items) {
    if (!item.is_object() || ++count > kMaxItems) continue;
    const auto code = json_string(item, "code");
    if (is_code(code)) out.codes.push_back(code);
    collect_digests(json_at(item, "detail"), out.digests);
    auto text = is_code(code) ? code : std::string();
    auto message = json_string(item, "message");
    // "UNKNOWN: unknown error" says nothing; the reason is in the detail then.
    const auto& detail = json_at(item, "detail");
    if (detail.is_string()) message += (message.empty() ? "" : ": ") + detail.get<std::string>();
    if (detail.is_object() && says_disk_full(dump_json(detail)))
      message += (message.empty() ? "" : ": ") + std::string("no space left on device");
    if (!message.empty()) text += (text.empty() ? "" : ": ") + message;
    if (!text.empty()) out.words += (out.words.empty() ? "" : "; ") + text;
  }
}

std::string status_name(int status) {
  switch (status) {
    case 413:
      return "413 (too large)";
    case 416:
      return "416 (range not satisfiable)";
    case 429:
      return "429 (too many requests)";
    default:
      return std::to_string(status);
  }
}

Errc code_for(int status, const ErrorBody& body) {
  if (status == 507 || (status >= 400 && says_disk_full(body.words))) return Errc::kNoSpace;
  if (status == 401) return Errc::kUnauthorized;
  if (status == 429 || body.has("TOOMANYREQUESTS")) return Errc::kRateLimited;
  if (status == 408 || status == 499 || status >= 500) return Errc::kUnavailable;
  if (body.has("MANIFEST_BLOB_UNKNOWN")) return Errc::kConflict;
  if (status == 403 || body.has("DENIED")) return Errc::kDenied;
  if (body.has("DIGEST_INVALID")) return Errc::kCorrupt;
  // The upload is lost, not the blob: a new one may succeed.
  if (body.has("BLOB_UPLOAD_UNKNOWN") || body.has("BLOB_UPLOAD_INVALID")) return Errc::kUnavailable;
  if (status == 404) return Errc::kNotFound;
  return Errc::kInvalid;
}

}  // namespace

bool ErrorBody::has(std::string_view code) const {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool says_disk_full(std::string_view words) {
  const auto text = lower(words);
  return text.find("no space left on device") != text.npos ||
         text.find("disk quota exceeded") != text.npos;
}

ErrorBody parse_error_body(std::string_view body) {
  body = body.substr(0, kMaxBodyBytes);
  ErrorBody out;
  const auto start = body.find_first_not_of(" \t\r\n");
  if (start == body.npos) return out;
  if (body[start] == '<') {
    out.words = html_title(body);
    return out;
  }
  const auto json = parse_json(body);
  if (!json || !json->is_object()) {
    out.words = one_line(body);
    return out;
  }
  if (const auto& items = json_at(*json, "errors"); items.is_array()) read_items(items, out);
  // Token servers and cloud front doors have forms of their own.
  for (const auto key : {"error_description", "details", "message", "error"})
    if (out.words.empty()) out.words = json_string(*json, key);
  out.words = one_line(out.words);
  return out;
}

Error error_from(const http::Response& answer, std::string_view subject,
                 std::chrono::sys_seconds now) {
  const auto body = parse_error_body(answer.body);
  const int status = answer.status();
  const auto code = code_for(status, body);
  auto message = std::string(subject);
  message +=
      code == Errc::kNotFound ? " was not found" : ": the registry answered " + status_name(status);
  if (!body.words.empty()) message += ": " + body.words;
  if (status == 413) message += "; a proxy before it may limit the size of a request's body";
  // Servers that speak TLS answer 400 to plain http; to HEAD without a word.
  const bool says_https = lower(body.words).find("https") != std::string::npos;
  if (status == 400 && !answer.head.url.is_https() && (body.words.empty() || says_https))
    message += "; a server that speaks TLS answers so to plain http";
  Error error(code, std::move(message));
  if (code == Errc::kRateLimited || code == Errc::kUnavailable)
    error.retry_after = http::retry_after(answer.headers(), now);
  return error;
}

}  // namespace kiln::registry::protocol
