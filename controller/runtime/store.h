#pragma once
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/kube/object.h"

namespace kiln::runtime {

/// Values by key, findable by terms as well: an ImageBuild that uses the ConfigMap web/site is put
/// in with the term "ConfigMap web/site", so that an event of that ConfigMap finds it.
///
/// Values are shared and immutable, so one that is in use may be replaced meanwhile.
/// Threads: one. Memory: one copy of each key and of each distinct term.
template <class Value>
class Store {
 public:
  using Key = kube::ObjectKey;
  using Pointer = std::shared_ptr<const Value>;

  /// Puts in or replaces; the terms replace the earlier ones.
  void put(const Key& key, Pointer value, std::vector<std::string> terms = {}) {
    erase(key);
    std::sort(terms.begin(), terms.end());
    terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
    Entry entry;
    entry.value = std::move(value);
    for (auto& term : terms) {
      const auto slot = index_.try_emplace(std::move(term)).first;
      entry.slots.push_back(slot);
    }
    entry.slots.shrink_to_fit();
    const auto& [kept, stored] = *entries_.emplace(key, std::move(entry)).first;
    for (const auto& slot : stored.slots) slot->second.insert(&kept);
  }
  void put(const Key& key, Value value, std::vector<std::string> terms = {}) {
    put(key, std::make_shared<const Value>(std::move(value)), std::move(terms));
  }

  /// Answers whether it was there.
  bool erase(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    for (const auto& slot : found->second.slots) {
      slot->second.erase(&found->first);
      if (slot->second.empty()) index_.erase(slot);
    }
    entries_.erase(found);
    return true;
  }

  /// Null when there is none.
  Pointer find(const Key& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : found->second.value;
  }

  /// The keys put in with `term`, in order.
  std::vector<Key> with_term(std::string_view term) const {
    const auto found = index_.find(term);
    if (found == index_.end()) return {};
    std::vector<Key> keys;
    for (const auto* key : found->second) keys.push_back(*key);
    return keys;
  }
  bool has_term(std::string_view term) const { return index_.find(term) != index_.end(); }

  std::vector<Key> keys() const {
    std::vector<Key> all;
    all.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) all.push_back(key);
    return all;
  }
  template <class Visitor>
  void for_each(Visitor visit) const {
    for (const auto& [key, entry] : entries_) visit(*entry.value);
  }
  std::size_t size() const { return entries_.size(); }
  std::size_t terms() const { return index_.size(); }

 private:
  struct ByKey {
    bool operator()(const Key* a, const Key* b) const { return *a < *b; }
  };
  /// The keys are those of entries_, which stay where they are.
  using Index = std::map<std::string, std::set<const Key*, ByKey>, std::less<>>;
  struct Entry {
    Pointer value;
    std::vector<typename Index::iterator> slots;
  };
  std::map<Key, Entry> entries_;
  Index index_;
};

}  // namespace kiln::runtime
