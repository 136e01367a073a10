#include "core/auth/helper/credential_helper.h"

#include <algorithm>
#include <string_view>

#include "core/base/json.h"
#include "core/base/process.h"
#include "core/base/redact.h"

namespace kiln::auth {
namespace {

constexpr std::uint64_t kMaxAnswerBytes = 256 * 1024;
constexpr std::size_t kMaxWords = 300;
constexpr std::string_view kNotFound = "credentials not found in native keychain";
constexpr std::string_view kTokenUser = "<token>";  // Then the secret is an identity token.

bool is_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.find_first_not_of(kAllowed) == name.npos;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

/// What the program says about its failure: on standard output by the protocol, else wherever it
/// says something. Nothing where it may have put out a credential, or ours.
std::string words_of(const ProcessResult& ended, const std::string& secret) {
  const auto said = trimmed(ended.output);
  const auto text = std::string(said.empty() ? trimmed(ended.errors) : said);
  const bool unfit =
      text.find("\"Secret\"") != text.npos || (!secret.empty() && text.find(secret) != text.npos);
  return unfit ? "what it says is not shown here, because a secret is in it"
               : sanitize_server_text(text, kMaxWords);
}

}  // namespace

/// What is left of a program that succeeded, or that has nothing for us.
struct CredentialHelper::Answer {
  std::string subject;  ///< "docker-credential-pass get ghcr.io"
  bool found = true;
  std::string output{};
};

Result<CredentialHelper> CredentialHelper::named(const std::string& name, HelperOptions options) {
  if (!is_name(name))
    return Error(Errc::kInvalid,
                 "\"" + sanitize_server_text(name, 100) +
                     "\" is not the name of a credential helper: write the NAME of "
                     "docker-credential-NAME, of letters, digits, '.', '_' and '-'");
  return CredentialHelper("docker-credential-" + name, std::move(options));
}

Result<CredentialHelper::Answer> CredentialHelper::ask(const std::string& action,
                                                       const std::string& server,
                                                       const std::string& input,
                                                       const std::string& secret) const {
  Answer answer{program_ + " " + action + (server.empty() ? "" : " " + server)};
  auto path = find_program(program_, variable(options_.environment, "PATH"));
  if (!path) return std::move(path).error().while_doing("asking a credential helper");
  Command command(std::move(*path), {action});
  command.environment = options_.environment;
  command.deadline = options_.deadline;
  command.stop = options_.stop;
  auto ended = run_process(command, input, kMaxAnswerBytes);
  if (!ended) return std::move(ended).error().while_doing(answer.subject);
  if (ended->status.ok()) {
    answer.output = std::move(ended->output);
    return answer;
  }
  answer.found = trimmed(ended->output) != kNotFound && trimmed(ended->errors) != kNotFound;
  if (!answer.found) return answer;
  const auto words = words_of(*ended, secret);
  return Error(Errc::kUnavailable,
               answer.subject + ": " + ended->status.str() + (words.empty() ? "" : ": " + words));
}

Result<std::optional<Credential>> CredentialHelper::get(const std::string& server) const {
  auto answer = ask("get", server, server);
  if (!answer) return std::move(answer).error();
  if (!answer->found) return std::optional<Credential>();
  const auto bad = [&](std::string_view why) {
    return Error(Errc::kCorrupt, answer->subject + ": its answer " + std::string(why));
  };
  const auto json = parse_json(answer->output);
  if (!json || !json->is_object()) return bad("is not a JSON object");
  const auto username = json_string(*json, "Username");
  const auto secret = json_string(*json, "Secret");

  Credential credential;
  if (username == kTokenUser) {
    credential.identity_token = secret;
  } else {
    credential.username = username;
    credential.password = secret;
  }
  if (credential.anonymous()) return std::optional<Credential>();
  // These travel before a colon or in the body of a form; see also DockerConfig.
  if (has_control(credential.identity_token)) return bad("has a token with a line break in it");
  if (username.find(':') != username.npos) return bad("has a username with a colon in it");
  return std::optional(std::move(credential));
}

Result<void> CredentialHelper::store(const std::string& server,
                                     const Credential& credential) const {
  if (!credential.registry_token.empty() || credential.anonymous())
    return Error(Errc::kInvalid, program_ + " keeps passwords and identity tokens only");
  const bool token = !credential.identity_token.empty();
  const auto& secret = token ? credential.identity_token : credential.password;
  const Json input = {{"ServerURL", server},
                      {"Username", token ? std::string(kTokenUser) : credential.username},
                      {"Secret", secret}};
  const auto answer = ask("store", server, dump_json(input) + "\n", secret);
  if (!answer) return answer.error();
  if (!answer->found)
    return Error(Errc::kUnavailable, answer->subject + ": it says that it has no credentials");
  return {};
}

Result<void> CredentialHelper::erase(const std::string& server) const {
  KILN_TRY(ask("erase", server, server));
  return {};
}

Result<std::map<std::string, std::string>> CredentialHelper::list() const {
  auto answer = ask("list", "", "");
  if (!answer) return std::move(answer).error();
  std::map<std::string, std::string> users;
  if (!answer->found) return users;
  const auto json = parse_json(answer->output);
  if (!json || !json->is_object())
    return Error(Errc::kCorrupt, answer->subject + ": its answer is not a JSON object");
  for (const auto& [server, user] : json->items())
    if (user.is_string()) users.emplace(server, user.get<std::string>());
  return users;
}

}  // namespace kiln::auth
