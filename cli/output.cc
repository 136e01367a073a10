#include "cli/output.h"

#include <yaml-cpp/emitter.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "core/base/json.h"

namespace kiln::cli {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

std::string name_of(Form form) {
  switch (form) {
    case Form::kName:
      return "name";
    case Form::kTable:
      return "table";
    case Form::kJson:
      return "json";
    case Form::kYaml:
      return "yaml";
  }
  return "";
}

void emit(YAML::Emitter& out, const Json& value) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, item] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      emit(out, item);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    out << (value.empty() ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
    for (const auto& item : value) emit(out, item);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    out << YAML::DoubleQuoted << value.get<std::string>();
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << YAML::Auto << value.dump();
  }
}

/// Bytes of the UTF-8 sequence at the front of `text`; 0 where there is none that is well formed.
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80                     ? 1
                             : first >= 0xc2 && first < 0xe0  ? 2
                             : first >= 0xe0 && first < 0xf0  ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80) return 0;
  return length;
}

/// C0, DEL and the C1 controls, which terminals obey in UTF-8 too.
bool is_control(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence.front());
  if (sequence.size() == 1) return first < 0x20 || first == 0x7f;
  return sequence.size() == 2 && first == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
}

}  // namespace

void add_output_flag(CLI::App& command, Form& form, const std::vector<Form>& forms) {
  std::map<std::string, Form> names;
  std::vector<std::string> allowed;
  for (const auto one : forms) {
    names[name_of(one)] = one;
    allowed.push_back(name_of(one));
  }
  command
      .add_option_function<std::string>(
          "-o,--output", [&form, names](const std::string& text) { form = names.at(text); },
          "What to print (default: " + name_of(form) + ")")
      ->check(CLI::IsMember(allowed))
      ->type_name("FORM");
}

void print_image(const NamedImage& image, Form form) {
  const auto whole = image.name + "@" + image.top.digest.str();
  if (form == Form::kName || form == Form::kTable) {
    std::cout << whole << std::endl;
    return;
  }
  Json json = {{"image", whole},
               {"name", image.name},
               {"digest", image.top.digest.str()},
               {"mediaType", image.top.media_type},
               {"size", image.top.size_bytes}};
  if (!image.tag.empty()) json["tag"] = image.tag;
  if (!image.input_key.empty()) json["inputKey"] = image.input_key;
  if (!image.image_build.empty()) json["imageBuild"] = image.image_build;
  // One line, so that several destinations are several lines.
  if (form == Form::kJson)
    std::cout << dump_json(json) << std::endl;
  else
    print_document(dump_json(json), form);
}

void print_document(std::string_view json, Form form) {
  auto document = parse_json(json);
  if (!document) return;  // Only ever given what this program made or has parsed before.
  if (form != Form::kYaml) {
    std::cout << document->dump(2, ' ', false, Json::error_handler_t::replace) << std::endl;
    return;
  }
  YAML::Emitter out;
  emit(out, *document);
  std::cout << "---\n" << out.c_str() << std::endl;
}

Table::Table(std::vector<std::string> heading, std::vector<std::size_t> right)
    : right_(std::move(right)) {
  rows_.push_back(std::move(heading));
}

void Table::add(std::vector<std::string> row) {
  row.resize(rows_.front().size());
  rows_.push_back(std::move(row));
}

std::string Table::str() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      const bool right = std::find(right_.begin(), right_.end(), i) != right_.end();
      line += (i == 0 ? "" : "  ") + (right ? padding + row[i] : row[i] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80;
  }));
}

std::string printable(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const auto length = sequence_length(text);
    const auto taken = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(taken.size());
    if (length > 0 && !is_control(taken)) {
      safe += taken;
      continue;
    }
    for (const char c : taken) {
      const auto byte = static_cast<unsigned char>(c);
      safe += "\\x";
      safe += kHex[byte >> 4U];
      safe += kHex[byte & 15U];
    }
  }
  return safe;
}

}  // namespace kiln::cli
