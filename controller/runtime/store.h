#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/kube/object.h"
#include "core/base/half_sum.h"

namespace kiln::runtime {

/// Values by key, findable by terms as well: an ImageBuild that uses the ConfigMap web/site is put
/// in with the term "ConfigMap web/site", so that an event of that ConfigMap finds it.
///
/// Values are shared and immutable, so one that is in use may be replaced meanwhile.
/// Threads: one. Memory: one copy of each key, and some 100 bytes for a term of a value, however
/// long it is: terms are kept as their half_sum().
template <class Value>
class Store {
 public:
  using Key = kube::ObjectKey;
  using Pointer = std::shared_ptr<const Value>;

  /// Puts in or replaces; the terms replace the earlier ones.
  void put(const Key& key, Pointer value, std::vector<std::string> terms = {}) {
    erase(key);
    Entry entry;
    entry.value = std::move(value);
    entry.terms.reserve(terms.size());
    for (const auto& term : terms) entry.terms.push_back(half_sum(term));
    const auto& [kept, stored] = *entries_.emplace(key, std::move(entry)).first;
    for (const auto& id : stored.terms) index_.insert(Use{id, &kept});
  }
  void put(const Key& key, Value value, std::vector<std::string> terms = {}) {
    put(key, std::make_shared<const Value>(std::move(value)), std::move(terms));
  }

  /// Another value for a key that is there, with the terms it has.
  void replace(const Key& key, Value value) {
    entries_.at(key).value = std::make_shared<const Value>(std::move(value));
  }

  /// Answers whether it was there.
  bool erase(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    for (const auto& id : found->second.terms) index_.erase(Use{id, &found->first});
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
    const auto id = half_sum(term);
    std::vector<Key> keys;
    for (auto use = index_.lower_bound(id); use != index_.end() && use->term == id; ++use)
      keys.push_back(*use->key);
    return keys;
  }
  bool has_term(std::string_view term) const { return index_.contains(half_sum(term)); }

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
  std::size_t uses() const { return index_.size(); }  ///< Terms, counted for each value.

 private:
  /// The key is that of an entry, which stays where it is.
  struct Use {
    HalfSum term;
    const Key* key;
  };
  struct ByTerm {
    using is_transparent = void;
    bool operator()(const Use& a, const Use& b) const {
      return a.term != b.term ? a.term < b.term : *a.key < *b.key;
    }
    bool operator()(const Use& a, const HalfSum& b) const { return a.term < b; }
    bool operator()(const HalfSum& a, const Use& b) const { return a < b.term; }
  };
  struct Entry {
    Pointer value;
    std::vector<HalfSum> terms;
  };
  std::map<Key, Entry> entries_;
  std::set<Use, ByTerm> index_;
};

}  // namespace kiln::runtime
