#include "core/registry/protocol/pagination.h"

#include <algorithm>
#include <string_view>

namespace kiln::registry::protocol {
namespace {

/// Takes one "<target>; name=value; …" off the front of `field`; false when none is left.
bool take_link(std::string_view& field, std::string_view& target, std::string_view& params) {
  const auto open = field.find('<');
  if (open == field.npos) return false;
  const auto close = field.find('>', open);
  if (close == field.npos) return false;
  target = field.substr(open + 1, close - open - 1);
  bool quoted = false;
  auto end = close + 1;
  for (; end < field.size() && (quoted || field[end] != ','); ++end)
    if (field[end] == '"') quoted = !quoted;
  params = field.substr(close + 1, end - close - 1);
  field.remove_prefix(std::min(end + 1, field.size()));
  return true;
}

bool is_next(std::string_view params) {
  std::string plain;
  for (const char c : params)
    if (c != ' ' && c != '\t' && c != '"')
      plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return (";" + plain + ";").find(";rel=next;") != std::string::npos;
}

}  // namespace

Result<std::optional<std::string>> next_page(const http::ResponseHead& answer) {
  for (auto field : answer.headers.all("Link")) {
    std::string_view target, params;
    while (take_link(field, target, params)) {
      if (!is_next(params)) continue;
      const auto url = answer.url.resolve(target);
      if (!url)
        return Error(Errc::kInvalid,
                     answer.url.host_port() + " names a next page that is not a URL");
      if (url->origin() != answer.url.origin())
        return Error(Errc::kEgressDenied, answer.url.host_port() +
                                              " names a next page on another server, " +
                                              url->host_port() + "; it is not asked");
      return std::optional<std::string>(url->target());
    }
  }
  return std::optional<std::string>();
}

}  // namespace kiln::registry::protocol
