#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <iostream>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/time_text.h"
#include "core/build/image_layers.h"
#include "core/image/find_file.h"
#include "core/image/flatten.h"
#include "core/layer/entry_path.h"

namespace kiln::cli {
namespace {

struct FilesOptions {
  std::string image;
  std::string path = "/";
  std::string file = "-";
  ImageFlags common;
  bool recursive = false;

  FilesOptions() { common.form = Form::kTable; }
};

char kind_letter(layer::EntryKind kind) {
  switch (kind) {
    case layer::EntryKind::kDirectory:
      return 'd';
    case layer::EntryKind::kSymlink:
      return 'l';
    case layer::EntryKind::kSpecial:
      return 's';
    default:
      return '-';
  }
}

std::string_view kind_name(layer::EntryKind kind) {
  switch (kind) {
    case layer::EntryKind::kDirectory:
      return "directory";
    case layer::EntryKind::kSymlink:
      return "symlink";
    case layer::EntryKind::kSpecial:
      return "special";
    case layer::EntryKind::kHardlink:
      return "hardlink";
    default:
      return "file";
  }
}

/// "drwxr-xr-x", as ls writes it.
std::string mode_text(const layer::IndexedEntry& entry) {
  std::string text(1, kind_letter(entry.kind));
  for (int shift = 6; shift >= 0; shift -= 3) {
    const auto bits = entry.mode >> static_cast<unsigned>(shift);
    text += (bits & 4U) != 0 ? 'r' : '-';
    text += (bits & 2U) != 0 ? 'w' : '-';
    text += (bits & 1U) != 0 ? 'x' : '-';
  }
  const auto special = [&](std::uint32_t bit, std::size_t at, char letter) {
    if ((entry.mode & bit) == 0) return;
    text[at] = text[at] == 'x' ? letter : static_cast<char>(letter - 'a' + 'A');
  };
  special(04000, 3, 's');
  special(02000, 6, 's');
  special(01000, 9, 't');
  return text;
}

std::string time_of(const layer::IndexedEntry& entry) {
  return entry.mtime ? format_rfc3339(WallTime(std::chrono::seconds(*entry.mtime))) : "";
}

void print_entries(const std::vector<layer::IndexedEntry>& entries, Form form) {
  if (form == Form::kName) {
    for (const auto& entry : entries) std::cout << "/" << entry.path << "\n";
    return;
  }
  if (form == Form::kTable) {
    Table table({"MODE", "UID", "GID", "SIZE", "TIME", "PATH"}, {1, 2, 3});
    for (const auto& entry : entries) {
      auto path = "/" + printable(entry.path);
      if (entry.kind == layer::EntryKind::kSymlink) path += " -> " + printable(entry.link_target);
      table.add({mode_text(entry), std::to_string(entry.uid), std::to_string(entry.gid),
                 std::to_string(entry.size_bytes), time_of(entry), std::move(path)});
    }
    std::cout << table.str();
    return;
  }
  auto list = Json::array();
  for (const auto& entry : entries) {
    Json json = {{"path", "/" + entry.path}, {"kind", kind_name(entry.kind)},
                 {"mode", entry.mode},       {"uid", entry.uid},
                 {"gid", entry.gid},         {"size", entry.size_bytes}};
    if (entry.mtime) json["time"] = time_of(entry);
    if (!entry.link_target.empty()) json["target"] = entry.link_target;
    list.push_back(std::move(json));
  }
  print_document(dump_json(list), form);
}

/// The layers of an image that was opened.
build::ImageLayers layers_of(Images& images, const OpenImage& opened) {
  return build::ImageLayers(images.engine().builder, opened.reader,
                            opened.image.platforms.front().image, images.access(opened.place));
}

Task<Result<int>> list(std::shared_ptr<const FilesOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open_one(options->image);
  if (!opened) co_return std::move(opened).error();
  auto layers = layers_of(*images, *opened);
  layer::BaseTree tree;
  for (std::size_t i = 0; i < layers.count(); ++i) {
    auto index = co_await layers.index(i);
    if (!index) co_return std::move(index).error();
    KILN_CO_TRY(tree.apply(**index));
  }
  auto entries = image::list_files(tree, options->path, options->recursive);
  if (!entries) co_return about(options->image, std::move(entries).error());
  print_entries(*entries, options->common.form);
  co_return kDone;
}

Task<Result<int>> cat(std::shared_ptr<const FilesOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open_one(options->image);
  if (!opened) co_return std::move(opened).error();
  auto layers = layers_of(*images, *opened);
  FdSink out(STDOUT_FILENO);
  auto written = co_await image::cat_file(layers, engine.pool, options->path, out);
  if (!written) co_return about(options->image, std::move(written).error());
  co_return kDone;
}

/// A file of that name is whole then, or as it was.
Result<void> export_to(const std::vector<layer::Blob>& blobs, const std::string& file) {
  if (file == "-") {
    FdSink out(STDOUT_FILENO);
    return image::write_flat_tar(blobs, out);
  }
  return write_file_atomically(file,
                               [&](ByteSink& out) { return image::write_flat_tar(blobs, out); });
}

Task<Result<int>> export_image(std::shared_ptr<const FilesOptions> options, Engine engine) {
  if (options->file == "-" && ::isatty(STDOUT_FILENO) == 1)
    co_return Error(Errc::kInvalid,
                    "a tar is not for a terminal; name a file, or redirect the output");
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open_one(options->image);
  if (!opened) co_return std::move(opened).error();
  auto layers = layers_of(*images, *opened);
  std::vector<layer::Blob> blobs;
  for (std::size_t i = 0; i < layers.count(); ++i) {
    auto blob = co_await layers.blob(i);
    if (!blob) co_return about(options->image, std::move(blob).error());
    blobs.push_back(std::move(*blob));
  }
  auto work = [blobs, file = options->file] { return export_to(blobs, file); };
  auto written = co_await engine.pool.run(std::move(work));
  if (!written) co_return std::move(written).error().while_doing("exporting " + options->image);
  co_return kDone;
}

}  // namespace

void add_files(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<FilesOptions>();
  const auto forms = {Form::kTable, Form::kName, Form::kJson, Form::kYaml};

  auto* listing = app.add_subcommand("ls", "List the files of an image");
  listing->footer(
      "All layers together, as a container sees them. (Not what crane ls does: that\n"
      "lists tags.)\n"
      "\n"
      "Examples:\n"
      "  kiln ls nginx:1.27 /usr/share/nginx/html\n"
      "  kiln ls -R oci:out / -o name");
  listing->add_option("IMAGE", options->image, "Image to look into")
      ->required()
      ->check(names_a_place());
  listing->add_option("PATH", options->path, "Folder or file in it (default: /)");
  listing->add_flag("-R,--recursive", options->recursive, "Everything below PATH");
  options->common.add_to(*listing, forms);
  listing->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return list(options, engine); };
  });

  auto* showing = app.add_subcommand("cat", "Print a file of an image");
  showing->footer(
      "Only the layers that are needed are fetched, from the top.\n"
      "\n"
      "Examples:\n"
      "  kiln cat nginx:1.27 /etc/nginx/nginx.conf");
  showing->add_option("IMAGE", options->image, "Image to look into")
      ->required()
      ->check(names_a_place());
  showing->add_option("PATH", options->path, "File in it")->required();
  options->common.add_to(*showing, {});
  showing->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return cat(options, engine); };
  });

  auto* exporting = app.add_subcommand("export", "Write an image's file system as a tar");
  exporting->footer(
      "All layers together, as a container sees them.\n"
      "\n"
      "Examples:\n"
      "  kiln export nginx:1.27 nginx.tar\n"
      "  kiln export oci:out - | tar -t");
  exporting->add_option("IMAGE", options->image, "Image to export")
      ->required()
      ->check(names_a_place());
  exporting->add_option("FILE", options->file, "Tar to write (default: -, standard output)");
  options->common.add_to(*exporting, {});
  exporting->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return export_image(options, engine); };
  });
}

}  // namespace kiln::cli
