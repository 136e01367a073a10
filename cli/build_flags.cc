#include "cli/build_flags.h"

#include <CLI/CLI.hpp>

#include "cli/config_flags.h"
#include "cli/help.h"
#include "core/base/time_text.h"

namespace kiln::cli {

void BuildFlags::add_to(CLI::App& command) {
  command.option_defaults()->group("Layers");
  command.add_option("--compression", compression, "How layers are compressed (default: gzip)")
      ->check(CLI::IsMember({"gzip", "gzip-small", "zstd"}));
  command
      .add_option("--layers", layers,
                  "One layer of all content, or one of each part of it (default: auto)")
      ->check(CLI::IsMember({"auto", "single", "per-content"}));
  command
      .add_option("--timestamps", timestamps,
                  "Times of files: by their bytes, one for all (2020-01-01 or "
                  "$SOURCE_DATE_EPOCH), or the git commit's (default: content; what a tar or an "
                  "image brings keeps its own)")
      ->check(CLI::IsMember({"content", "epoch", "source"}));
  command
      .add_option("--media-types", media_types,
                  "Media types of manifest, config and layers (default: oci)")
      ->check(CLI::IsMember({"oci", "docker"}));
  command.option_defaults()->group(kOwnFlags);
}

Result<void> BuildFlags::apply(build::BuildRequest& request, bool has_git) const {
  if (!compression.empty()) {
    auto parsed = layer::parse_compression(compression);
    if (!parsed) return std::move(parsed).error().while_doing("--compression");
    request.compression = *parsed;
  }
  if (!layers.empty()) {
    auto parsed = build::parse_layer_policy(layers);
    if (!parsed) return std::move(parsed).error().while_doing("--layers");
    request.layers = *parsed;
  }
  if (!media_types.empty()) request.docker_media_types = media_types == "docker";
  if (wants_commit_times() && !has_git)
    return Error(Errc::kInvalid,
                 "--timestamps source is the time of a git commit, and there is no content from "
                 "git; write content or epoch");
  if (timestamps == "content") request.timestamps.kind = layer::Timestamps::kContent;
  if (timestamps == "epoch") request.timestamps.kind = layer::Timestamps::kEpoch;

  auto epoch = source_date_epoch();
  if (!epoch) return std::move(epoch).error();
  if (!*epoch) return {};
  request.created = format_rfc3339(WallTime(std::chrono::seconds(**epoch)));
  if (request.timestamps.kind == layer::Timestamps::kEpoch) {
    request.timestamps.kind = layer::Timestamps::kFixed;
    request.timestamps.fixed = **epoch;
  }
  return {};
}

}  // namespace kiln::cli
