#pragma once
// Heavy (JSON): for the .cc files of this folder only.
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/json.h"

namespace kiln::api {

/// What all readers of one document share: the first error, and what was asked for.
struct ReadContext {
  bool refuse_unknown = false;
  /// Whether errors say where. To write down where everything stands takes longer than to read it.
  bool with_paths = true;
  std::set<std::string>* asked = nullptr;
  std::optional<Error> error{};

  void fail(std::string message) {
    if (!error) error.emplace(Errc::kInvalid, std::move(message));
  }
};

/// Reads one JSON object field by field. Errors are kept in the context (the first one counts), so
/// that the code that uses it is a plain list of fields. A wrong or absent field gives the default.
class JsonReader {
 public:
  /// Lifetime: `object` and `context` outlive the reader. A null object has no fields.
  JsonReader(const Json& object, std::string path, ReadContext& context);

  bool has(std::string_view key) const;
  std::string text(std::string_view key, std::string fallback = {});
  std::string required_text(std::string_view key);
  std::optional<std::string> optional_text(std::string_view key);
  /// One of `names`.
  std::string choice(std::string_view key, std::initializer_list<std::string_view> names);
  bool boolean(std::string_view key, bool fallback);
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t least,
                       std::int64_t most);
  std::optional<std::uint32_t> optional_number(std::string_view key, std::int64_t most);
  std::vector<std::string> texts(std::string_view key);
  std::optional<std::vector<std::string>> optional_texts(std::string_view key);
  std::map<std::string, std::string> text_map(std::string_view key);

  /// The object at `key`, which may be absent.
  JsonReader object(std::string_view key);
  /// `read` turns each object of the list at `key` into a T.
  template <class Read>
  auto list(std::string_view key, Read read) {
    std::vector<decltype(read(std::declval<JsonReader>()))> all;
    const auto& value = ask(key, true);
    if (!value.is_array()) return all;
    for (std::size_t i = 0; i < value.size(); ++i)
      all.push_back(read(JsonReader(value[i], item_path(key, i), context_)));
    return all;
  }
  /// The same for an object at `key`; nullopt when it is absent.
  template <class Read>
  auto maybe(std::string_view key, Read read) {
    std::optional<decltype(read(std::declval<JsonReader>()))> out;
    auto inner = object(key);
    if (has(key)) out.emplace(read(std::move(inner)));
    return out;
  }

  /// Looked at elsewhere, or known and of no interest: not an unknown field.
  void skip(std::string_view key) {
    if (context_.refuse_unknown) known_.insert(std::string(key));
  }
  /// Ends the reading: a field that nobody asked for is unknown.
  void finish();
  /// finish(), and then `value`: so that a read function ends in one line.
  template <class T>
  T finished(T value) {
    finish();
    return value;
  }

  std::string path_of(std::string_view key) const;
  ReadContext& context() { return context_; }

 private:
  const Json& ask(std::string_view key, bool list = false);
  void wrong(std::string_view key, std::string_view what);
  std::string item_path(std::string_view key, std::size_t index) const;

  const Json& object_;
  std::string path_;
  ReadContext& context_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace kiln::api
