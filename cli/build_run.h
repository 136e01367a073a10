#pragma once
#include <string>
#include <vector>

#include "cli/build_flags.h"
#include "cli/images.h"
#include "cli/manifests.h"
#include "controller/api/image_build.h"

namespace kiln::cli {

/// The flags of `kiln build`.
struct BuildOptions {
  std::vector<std::string> files;
  std::string name;                  ///< NAME or NAMESPACE/NAME; "" = all in the files.
  std::vector<std::string> targets;  ///< Empty = where the manifest says.
  std::vector<std::string> local_content;
  bool dry_run = false;  ///< Assembles and tells the digest, sends nothing.
  BuildFlags build;
  ImageFlags common;
};

/// Builds one ImageBuild, sends its image and prints what it is. What was made of the same inputs
/// before and is where it goes to is not made again.
/// Errors: those of the spec, of the content, of the base and of the places.
/// Lifetime: the references outlive the task.
[[nodiscard]] Task<Result<void>> run_build(api::ImageBuild build, const Manifests& manifests,
                                           const BuildOptions& options, Images& images);

}  // namespace kiln::cli
