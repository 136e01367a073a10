#include "controller/hooks/token_watch.h"

#include <string>

#include "core/base/log.h"

namespace kiln::hooks {

Result<kube::ObjectKey> parse_secret_key(std::string_view text) {
  const auto slash = text.find('/');
  const auto is_name = [](std::string_view name) {
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    return !name.empty() && name.size() <= 253 && name.find_first_not_of(kAllowed) == name.npos;
  };
  if (slash == text.npos || !is_name(text.substr(0, slash)) || !is_name(text.substr(slash + 1)))
    return Error(Errc::kInvalid, "must be NAMESPACE/NAME of a Secret whose entries are the tokens");
  return kube::ObjectKey(std::string(text.substr(0, slash)), std::string(text.substr(slash + 1)));
}

void TokenWatch::applied(const kube::Object& object, runtime::Origin) {
  if (object.key() != secret_) return;
  there_ = true;
  auto tokens = Tokens::read(object.json());
  if (!tokens) {
    box_.set(nullptr);
    log::warning("cannot read the tokens of webhooks",
                 {{"secret", secret_.str()}, {"error", tokens.error().message}});
    return;
  }
  for (const auto& warning : tokens->warnings())
    log::warning("a token of webhooks is not used",
                 {{"secret", secret_.str()}, {"error", warning}});
  log::info("tokens of webhooks read",
            {{"secret", secret_.str()}, {"count", std::to_string(tokens->all().size())}});
  box_.set(tokens->all().empty() ? nullptr : std::make_shared<const Tokens>(std::move(*tokens)));
}

void TokenWatch::deleted(const kube::ObjectKey& key) {
  if (key != secret_) return;
  there_ = false;
  box_.set(nullptr);
  log::warning("the Secret with the tokens of webhooks is gone: all are refused",
               {{"secret", secret_.str()}});
}

std::vector<kube::ObjectKey> TokenWatch::known() const {
  return there_ ? std::vector<kube::ObjectKey>{secret_} : std::vector<kube::ObjectKey>{};
}

void TokenWatch::synced() {
  if (!there_)
    log::warning("there is no Secret with tokens of webhooks: all are refused until it comes",
                 {{"secret", secret_.str()}});
}

}  // namespace kiln::hooks
