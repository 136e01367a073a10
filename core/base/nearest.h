#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// The one of `known` that was most likely meant by `word`: it begins with it (three letters or
/// more), or differs in few letters (one in three: more, fewer, other, two swapped). The first of
/// several. "" where none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

/// "; did you mean build?", or "" where none is near. `prefix` stands before the word: "--".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view prefix = "");

/// The names that are most like `wanted` come first; else the order stays, and it stays as a whole
/// where there are more names than somebody would look through.
void sort_by_likeness(std::vector<std::string>& names, std::string_view wanted);

}  // namespace kiln
