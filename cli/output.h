#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/oci/manifest.h"

namespace CLI {
class App;
}

namespace kiln::cli {

/// What `-o` chooses.
enum class Form { kName, kTable, kJson, kYaml };

/// Adds `-o` with `fallback` as its default and only the forms in `forms` ("name|json|yaml").
/// Lifetime: `form` outlives the parsing.
void add_output_flag(CLI::App& command, Form& form, const std::vector<Form>& forms);

/// An image that a command made or found.
struct NamedImage {
  std::string name;  ///< "repository" or "oci:DIR".
  std::string tag;   ///< "" = none.
  oci::Descriptor top;
  std::string input_key{};    ///< "" = none.
  std::string image_build{};  ///< "" = none; else NAMESPACE/NAME.

  NamedImage(std::string n, std::string t, oci::Descriptor d)
      : name(std::move(n)), tag(std::move(t)), top(std::move(d)) {}
};

/// One line or one document on standard output: "repository@sha256:…", or what the form says.
void print_image(const NamedImage& image, Form form);

/// A JSON document (text) as JSON, indented, or as YAML.
void print_document(std::string_view json, Form form);

/// Columns that line up, two spaces apart; the first row is the heading. Cells of `right` columns
/// are aligned to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> heading, std::vector<std::size_t> right = {});
  void add(std::vector<std::string> row);
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> right_;
};

/// Characters a terminal shows for UTF-8 text, counting each code point as one.
std::size_t width_of(std::string_view text);

/// `text` with control characters (and bytes that are not UTF-8) as "\x1b": names in an image are
/// not to steer the terminal.
std::string printable(std::string_view text);

}  // namespace kiln::cli
