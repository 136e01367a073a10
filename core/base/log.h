#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/base/error.h"

/// Structured logging to standard error: a constant message plus keys, never a formatted sentence.
///
///   log::info("image pushed", {{"imageBuild", key}, {"digest", digest}});
///
/// Secrets never go in: values come from values that cannot hold one (Digest, Reference, Error).
/// Threads: any.
namespace kiln::log {

enum class Level { kTrace, kDebug, kInfo, kWarning, kError, kOff };
enum class Format { kText, kJson };

struct Field {
  std::string_view key;
  std::string value;
};

void configure(Level level, Format format);
void set_level(Level level);
Level level();
bool enabled(Level level);
/// "trace", "debug", "info", "warning", "error" or "off". Errors: kInvalid, listing these.
[[nodiscard]] Result<Level> parse_level(std::string_view text);
std::string_view name_of(Level level);

void write(Level level, std::string_view message, std::initializer_list<Field> fields);

/// Every request and the like: a lot.
inline void trace(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kTrace, message, fields);
}
inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kDebug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kInfo, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kWarning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kError, message, fields);
}

}  // namespace kiln::log
