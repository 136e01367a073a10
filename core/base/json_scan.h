#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// Behind the JSON value that begins at `at`; npos where it does not end. What that value is, and
/// whether it is right, is not looked at.
std::size_t end_of_json_value(std::string_view text, std::size_t at);

/// Goes through the members of an object, or the elements of an array, in JSON text, without
/// reading what they are: for text of which little is asked. The text is as servers and dump_json()
/// write it: compact. It ends early where it is written otherwise, or is no JSON; what is right is
/// for a parser to say.
/// Lifetime: of the text. Threads: one.
class JsonScan {
 public:
  struct Part {
    std::string_view name;   ///< Between its quotes, escapes as they stand; "" of an element.
    std::string_view value;  ///< JSON.
    std::string_view whole;  ///< Name and value.

    Part(std::string_view n, std::string_view v, std::string_view w)
        : name(n), value(v), whole(w) {}
  };

  /// `text` begins with the object or array.
  explicit JsonScan(std::string_view text);

  std::optional<Part> next();

  /// After the last part: the object or array is closed, and nothing but white space follows.
  bool is_complete() const { return is_complete_; }

 private:
  void close(std::size_t behind);

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_object_ = false;
  bool is_complete_ = false;
};

/// Between the quotes of a string without escapes; "" of anything else.
std::string_view plain_json_text(std::string_view json);
/// What a JSON string says, if it is ASCII; nullopt where it is not, or where something is wrong:
/// then a parser has to look at it.
std::optional<std::string> json_ascii_text(std::string_view json);
/// The value of a member of `object`; "" where there is none.
std::string_view json_member(std::string_view object, std::string_view name);
/// `object` with another value for a member, or with one more as its last. Precondition: `object`
/// is one whose members JsonScan finds, all of them.
std::string with_json_member(std::string_view object, std::string_view name,
                             std::string_view value);

}  // namespace kiln
