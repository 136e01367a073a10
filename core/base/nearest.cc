#include "core/base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace kiln {
namespace {

constexpr std::size_t kShortestBeginning = 3;
constexpr std::size_t kLongest = 64;  // No word of ours is longer; it bounds the work.
constexpr std::size_t kMostRanked = 1000;

/// How many letters differ, where two neighbours that are swapped count once (the optimal string
/// alignment distance). All letters, where one of the two is very long.
std::size_t distance(std::string_view a, std::string_view b) {
  if (std::max(a.size(), b.size()) > kLongest) return std::max(a.size(), b.size());
  std::vector<std::vector<std::size_t>> of(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) of[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) of[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      of[i][j] = std::min(
          {of[i - 1][j] + 1, of[i][j - 1] + 1, of[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        of[i][j] = std::min(of[i][j], of[i - 2][j - 2] + 1);
    }
  return of[a.size()][b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > kLongest) return "";
  std::string nearest;
  auto fewest = kLongest;
  for (const auto& candidate : known) {
    if (candidate.empty() || candidate.size() > kLongest) continue;
    if (word.size() >= kShortestBeginning && candidate.starts_with(word)) return candidate;
    const auto differ = distance(word, candidate);
    if (differ > std::max(word.size(), candidate.size()) / 3 || differ >= fewest) continue;
    fewest = differ;
    nearest = candidate;
  }
  return nearest;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view prefix) {
  const auto nearest = nearest_word(word, known);
  return nearest.empty() ? "" : "; did you mean " + std::string(prefix) + nearest + "?";
}

void sort_by_likeness(std::vector<std::string>& names, std::string_view wanted) {
  if (names.size() > kMostRanked) return;
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (auto& name : names) ranked.emplace_back(distance(wanted, name), std::move(name));
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  names.clear();
  for (auto& [differ, name] : ranked) names.push_back(std::move(name));
}

}  // namespace kiln
