#pragma once
#include <functional>
#include <string>

#include "cli/place.h"

namespace kiln::cli {

/// A check that CLI11 runs on a flag's value while it reads the command line, so that a value which
/// can never work is wrong usage (exit code 2), told before any work begins. It answers the error's
/// text, "" where `parse`, a function from a string to a Result, takes the value.
template <class Parse>
std::function<std::string(const std::string&)> parsed_by(Parse parse) {
  return [parse](const std::string& text) {
    const auto parsed = parse(text);
    return parsed ? std::string() : parsed.error().message;
  };
}

/// For what names an image or a place for one.
inline std::function<std::string(const std::string&)> names_a_place() {
  return parsed_by([](const std::string& text) { return Place::parse(text); });
}

}  // namespace kiln::cli
