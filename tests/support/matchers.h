#pragma once
#include <gmock/gmock.h>

#include <string>

#include "core/base/error.h"

namespace kiln {

/// So that a failed assertion shows the error, not bytes.
inline void PrintTo(const Error& error, std::ostream* out) {
  *out << name_of(error.code) << ": " << error.message;
}

template <class T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  if (result.has_error())
    PrintTo(result.error(), out);
  else
    *out << "a value";
}

namespace testing {

MATCHER(IsOk, "is a value, not an error") {
  if (!arg.has_error()) return true;
  *result_listener << arg.error().message;
  return false;
}

/// There is deliberately no "is an error": name the one you expect.
MATCHER_P2(FailsWith, code, text, "fails with that code and a message that contains the text") {
  if (!arg.has_error()) {
    *result_listener << "is a value";
    return false;
  }
  const auto error = arg.error();
  *result_listener << name_of(error.code) << ": " << error.message;
  return error.code == code && error.message.find(text) != std::string::npos;
}

}  // namespace testing
}  // namespace kiln
