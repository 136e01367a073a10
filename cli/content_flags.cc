#include "cli/content_flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/checks.h"
#include "cli/help.h"
#include "core/base/file.h"
#include "core/build/image_content.h"
#include "core/layer/entry_path.h"
#include "core/source/directory_source.h"
#include "core/source/tar_source.h"

namespace kiln::cli {
namespace {

/// "0644" or "644": modes of the command line are octal, as chmod's.
Result<std::optional<std::uint32_t>> mode_of(const std::string& text) {
  if (text.empty()) return std::optional<std::uint32_t>();
  std::uint32_t mode = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, mode, 8);
  if (error != std::errc() || rest != end || mode > 07777)
    return Error(Errc::kInvalid, "\"" + text + "\": write an octal mode such as 0644 or 0755");
  return std::optional(mode);
}

bool keeps(const std::vector<std::string>& preserve, std::string_view what) {
  return std::find(preserve.begin(), preserve.end(), what) != preserve.end();
}

Result<std::uint32_t> number_of(const std::string& text) {
  std::uint32_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end)
    return Error(Errc::kInvalid, "\"" + text + "\": write a number; names differ between images");
  return number;
}

Result<SourceAndPlace> source_and_place(const std::string& text) {
  return split_source(text, "");
}

source::TarSource::Open opener(const std::string& file) {
  return [file]() -> Result<std::unique_ptr<ByteSource>> {
    if (file == "-")
      return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(UniqueFd(::dup(0))));
    auto fd = open_for_reading(file);
    if (!fd) return std::move(fd).error();
    return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(std::move(*fd)));
  };
}

}  // namespace

Result<SourceAndPlace> split_source(std::string_view text, std::string_view fallback) {
  const auto colon = text.rfind(":/");
  if (colon == text.npos && fallback.empty())
    return Error(Errc::kInvalid, "\"" + std::string(text) +
                                     "\": write SRC:DEST, with an absolute path of the image as "
                                     "DEST: site:/usr/share/nginx/html");
  SourceAndPlace parts{std::string(text.substr(0, colon)), std::string(fallback)};
  if (colon != text.npos) parts.destination = std::string(text.substr(colon + 1));
  if (parts.source.empty())
    return Error(Errc::kInvalid, "\"" + std::string(text) + "\": nothing stands before the colon");
  return parts;
}

Result<ImageAndPlace> split_image(std::string_view text) {
  const auto last = text.rfind(":/");
  const auto first = last == text.npos || last == 0 ? text.npos : text.rfind(":/", last - 1);
  if (first == text.npos || first == 0)
    return Error(Errc::kInvalid, "\"" + std::string(text) +
                                     "\": write IMAGE:PATH:DEST, with absolute paths: "
                                     "r.example.com/assets:1:/dist:/usr/share/nginx/html");
  return ImageAndPlace{std::string(text.substr(0, first)),
                       std::string(text.substr(first + 1, last - first - 1)),
                       std::string(text.substr(last + 1))};
}

void ContentFlags::add_to(CLI::App& command) {
  command.option_defaults()->group("Content");
  const auto list = [&](const char* name, Kind kind, std::vector<std::string>& into,
                        const char* value, const char* help) {
    return command.add_option(name, into, help)
        ->type_name(value)
        ->allow_extra_args(false)
        ->each([this, kind](const std::string& text) {
          given_.push_back(Given{kind, text});
        });
  };
  list("--dir", Kind::kDirectory, directories, "SRC:DEST",
       "Add what is in the folder SRC; .kilnignore files in it are honoured; may be repeated")
      ->check(parsed_by(source_and_place));
  list("--tar", Kind::kTar, tars, "FILE[:DEST]",
       "Add what is in a tar: plain, gzip or zstd; - is standard input; may be repeated");
  list("--file", Kind::kFile, files, "SRC:DEST",
       "Add one file; a DEST with / at its end is a folder; may be repeated")
      ->check(parsed_by(source_and_place));
  list("--from-image", Kind::kImage, images, "IMAGE:PATH:DEST",
       "Add a folder or file of another image or artifact; may be repeated")
      ->check(parsed_by(split_image));
  command
      .add_option(
          "--preserve", preserve,
          "What to keep of local files; joined by commas (default: nothing, so 0644 or 0755, "
          "and owner 0:0)")
      ->delimiter(',')
      ->check(CLI::IsMember({"mode", "owner", "xattr"}));
  command
      .add_option("--ignore", ignore,
                  "Leave out of --dir what this gitignore pattern matches; may be repeated")
      ->type_name("PATTERN")
      ->check(parsed_by(source::IgnoreRules::parse))
      ->allow_extra_args(false);
  command.add_option("--uid", uid, "Owner of all that is added")
      ->type_name("N")
      ->check(parsed_by(number_of));
  command.add_option("--gid", gid, "Group of all that is added")
      ->type_name("N")
      ->check(parsed_by(number_of));
  command.add_option("--file-mode", file_mode, "Mode of all files that are added: 0644")
      ->type_name("MODE")
      ->check(parsed_by(mode_of));
  command.add_option("--dir-mode", dir_mode, "Mode of all new folders: 0755")
      ->type_name("MODE")
      ->check(parsed_by(mode_of));
  command.option_defaults()->group(kOwnFlags);
}

Result<build::Ownership> ContentFlags::ownership() const {
  build::Ownership ownership;
  ownership.uid = uid;
  ownership.gid = gid;
  auto files_mode = mode_of(file_mode);
  if (!files_mode) return std::move(files_mode).error().while_doing("--file-mode");
  auto folders_mode = mode_of(dir_mode);
  if (!folders_mode) return std::move(folders_mode).error().while_doing("--dir-mode");
  ownership.file_mode = *files_mode;
  ownership.dir_mode = *folders_mode;
  return ownership;
}

Result<build::ContentRequest> ContentFlags::directory(const std::string& text,
                                                      WorkPool& pool) const {
  auto parts = split_source(text, "");
  if (!parts) return std::move(parts).error();
  std::error_code error;
  if (std::filesystem::is_regular_file(parts->source, error))
    return Error(Errc::kInvalid, parts->source + " is a file; add it with --file");
  std::string patterns;
  for (const auto& pattern : ignore) patterns += pattern + "\n";
  auto rules = source::IgnoreRules::parse(patterns);
  if (!rules) return std::move(rules).error().while_doing("--ignore");
  source::DirectoryOptions options;
  options.keep_modes = keeps(preserve, "mode");
  options.keep_owners = keeps(preserve, "owner");
  options.keep_xattrs = keeps(preserve, "xattr");
  options.ignore = std::move(*rules);
  auto from = std::make_shared<source::DirectorySource>(parts->source, std::move(options), pool);
  return build::ContentRequest(std::move(from), parts->destination);
}

Result<build::ContentRequest> ContentFlags::tar(const std::string& text, WorkPool& pool) const {
  auto parts = split_source(text, "/");
  if (!parts) return std::move(parts).error();
  auto name = parts->source == "-" ? "standard input" : parts->source;
  auto from = std::make_shared<source::TarSource>(std::move(name), opener(parts->source),
                                                  layer::ReadLimits(), "", pool);
  return build::ContentRequest(std::move(from), parts->destination);
}

Result<build::ContentRequest> ContentFlags::file(const std::string& text, WorkPool& pool) const {
  auto parts = split_source(text, "");
  if (!parts) return std::move(parts).error();
  std::error_code error;
  if (std::filesystem::is_directory(parts->source, error))
    return Error(Errc::kInvalid, parts->source + " is a folder; add it with --dir");
  source::DirectoryOptions options;
  options.keep_modes = keeps(preserve, "mode");
  options.keep_owners = keeps(preserve, "owner");
  options.keep_xattrs = keeps(preserve, "xattr");
  auto folder = parts->destination;
  if (folder.ends_with('/')) {
    folder.resize(folder.size() > 1 ? folder.size() - 1 : 1);
  } else {
    options.file_name = std::string(layer::name_of_path(folder));
    folder = std::string(layer::parent_of(folder));
    if (folder.empty()) folder = "/";
  }
  auto from = std::make_shared<source::DirectorySource>(parts->source, std::move(options), pool);
  return build::ContentRequest(std::move(from), std::move(folder));
}

Result<std::vector<std::string>> ContentFlags::image_places() const {
  std::vector<std::string> places;
  for (const auto& text : images) {
    auto parts = split_image(text);
    if (!parts) return std::move(parts).error().while_doing("--from-image");
    places.push_back(std::move(parts->image));
  }
  return places;
}

Result<build::ContentRequest> ContentFlags::request_for(
    const Given& given, WorkPool& pool,
    const std::vector<std::shared_ptr<store::ImageReader>>& readers,
    std::size_t& images_seen) const {
  switch (given.kind) {
    case Kind::kDirectory:
      return directory(given.text, pool);
    case Kind::kTar:
      return tar(given.text, pool);
    case Kind::kFile:
      return file(given.text, pool);
    case Kind::kImage:
      break;
  }
  auto parts = split_image(given.text);
  if (!parts) return std::move(parts).error();
  auto from =
      std::make_shared<build::ImageContent>(readers.at(images_seen++), parts->path, "", pool);
  return build::ContentRequest(std::move(from), parts->destination);
}

Result<std::vector<build::ContentRequest>> ContentFlags::content(
    WorkPool& pool, const std::vector<std::shared_ptr<store::ImageReader>>& readers) const {
  auto owner = ownership();
  if (!owner) return std::move(owner).error();
  std::vector<build::ContentRequest> all;
  std::size_t images_seen = 0;
  for (const auto& given : given_) {
    auto one = request_for(given, pool, readers, images_seen);
    if (!one) return std::move(one).error().while_doing(flag_of(given.kind));
    one->ownership = *owner;
    one->name = std::string(flag_of(given.kind)) + " " + given.text;
    all.push_back(std::move(*one));
  }
  return all;
}

std::string_view ContentFlags::flag_of(Kind kind) {
  switch (kind) {
    case Kind::kDirectory:
      return "--dir";
    case Kind::kTar:
      return "--tar";
    case Kind::kFile:
      return "--file";
    case Kind::kImage:
      break;
  }
  return "--from-image";
}

}  // namespace kiln::cli
