#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace kiln {

/// Values by name, up to a total of weights and a number: what was asked for longest ago goes
/// first. The newest one stays, whatever it weighs: who does not want that does not put it.
/// Threads: one.
template <class T>
class Shelf {
 public:
  explicit Shelf(std::uint64_t max_weight,
                 std::size_t max_count = std::numeric_limits<std::size_t>::max())
      : max_weight_(max_weight), max_count_(max_count) {}
  Shelf(const Shelf&) = delete;  // The places are in one list.
  Shelf& operator=(const Shelf&) = delete;

  /// Null if it is not there. Lifetime: until the next put().
  const T* find(const std::string& name) {
    const auto found = places_.find(name);
    if (found == places_.end()) return nullptr;
    kept_.splice(kept_.begin(), kept_, found->second);
    return &found->second->value;
  }

  /// In the place of what has that name.
  void put(const std::string& name, T value, std::uint64_t weight) {
    if (const auto found = places_.find(name); found != places_.end()) drop(found->second);
    kept_.push_front(Kept{name, std::move(value), weight});
    places_.emplace(name, kept_.begin());
    weight_ += weight;
    while ((weight_ > max_weight_ || kept_.size() > max_count_) && kept_.size() > 1)
      drop(std::prev(kept_.end()));
  }

 private:
  struct Kept {
    std::string name;
    T value;
    std::uint64_t weight;
  };
  using Place = typename std::list<Kept>::iterator;

  void drop(Place place) {
    weight_ -= place->weight;
    places_.erase(place->name);
    kept_.erase(place);
  }

  std::uint64_t max_weight_;
  std::size_t max_count_;
  std::list<Kept> kept_;  ///< The one that was asked for last comes first.
  std::unordered_map<std::string, Place> places_;
  std::uint64_t weight_ = 0;
};

}  // namespace kiln
