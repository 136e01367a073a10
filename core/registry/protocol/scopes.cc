#include "core/registry/protocol/scopes.h"

#include <algorithm>
#include <cstddef>

namespace kiln::registry::protocol {
namespace {

constexpr std::size_t kMaxScopes = 8;
constexpr std::size_t kMaxActions = 8;
constexpr std::size_t kMaxScopeBytes = 512;

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

Scopes Scopes::pull(std::string_view path) {
  Scopes scopes;
  scopes.add("repository:" + std::string(path) + ":pull");
  return scopes;
}

Scopes Scopes::push(std::string_view path) {
  Scopes scopes;
  scopes.add("repository:" + std::string(path) + ":push,pull");
  return scopes;
}

void Scopes::add(std::string_view scope) {
  const auto first = scope.find(':');
  const auto last = scope.rfind(':');  // A name may have a port in it, and so a colon.
  if (first == scope.npos || first == last || scope.size() > kMaxScopeBytes || !is_plain(scope))
    return;
  const auto resource = scope.substr(0, last);
  auto actions = scope.substr(last + 1);
  if (actions.find_first_not_of(',') == actions.npos) return;

  auto it = std::find_if(items_.begin(), items_.end(),
                         [&](const Item& item) { return item.resource == resource; });
  if (it == items_.end()) {
    if (items_.size() == kMaxScopes) return;
    it = items_.insert(items_.end(), Item{std::string(resource), {}});
  }
  while (!actions.empty()) {
    const auto comma = actions.find(',');
    const auto action = actions.substr(0, comma);
    if (!action.empty() && !contains(it->actions, action) && it->actions.size() < kMaxActions)
      it->actions.emplace_back(action);
    actions = comma == actions.npos ? std::string_view() : actions.substr(comma + 1);
  }
}

void Scopes::add_all(const Scopes& other) {
  for (const auto& scope : other.list()) add(scope);
}

void Scopes::add_challenge(std::string_view scope_param) {
  while (!scope_param.empty()) {
    const auto space = scope_param.find(' ');
    add(scope_param.substr(0, space));
    if (space == scope_param.npos) return;
    scope_param.remove_prefix(space + 1);
  }
}

bool Scopes::cover(const Scopes& wanted) const {
  return std::all_of(wanted.items_.begin(), wanted.items_.end(), [&](const Item& want) {
    return std::any_of(items_.begin(), items_.end(), [&](const Item& have) {
      return have.resource == want.resource &&
             std::all_of(want.actions.begin(), want.actions.end(), [&](const std::string& action) {
               return contains(have.actions, action) || contains(have.actions, "*");
             });
    });
  });
}

std::vector<std::string> Scopes::list() const {
  std::vector<std::string> texts;
  for (const auto& item : items_) {
    auto text = item.resource + ":";
    for (const auto& action : item.actions) text += (text.back() == ':' ? "" : ",") + action;
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string Scopes::joined() const {
  std::string all;
  for (const auto& scope : list()) all += (all.empty() ? "" : " ") + scope;
  return all;
}

}  // namespace kiln::registry::protocol
