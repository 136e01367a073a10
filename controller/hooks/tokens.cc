#include "controller/hooks/tokens.h"

#include "controller/plan/named_data.h"
#include "core/base/redact.h"

namespace kiln::hooks {
namespace {

std::string_view without_white_space(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

}  // namespace

Result<Tokens> Tokens::read(std::string_view secret_json) {
  const auto data = plan::parse_secret(secret_json);
  if (!data) return data.error();
  Tokens tokens;
  for (const auto& [key, value] : data->files) {
    const auto token = without_white_space(value);
    if (token.size() < kShortest)
      tokens.warnings_.push_back("the token " + quoted_name(key) + " has less than " +
                                 std::to_string(kShortest) + " characters and is not used");
    else if (tokens.all_.size() == kMost)
      tokens.warnings_.push_back("the token " + quoted_name(key) + " is one more than " +
                                 std::to_string(kMost) + " and is not used");
    else
      tokens.all_.emplace_back(token);
  }
  return tokens;
}

}  // namespace kiln::hooks
