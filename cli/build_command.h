#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/engine.h"
#include "core/auth/credential.h"
#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln::cli {

struct BuildOptions {
  std::vector<std::string> files;
  std::string name;                         ///< NAME or NAMESPACE/NAME; "" = all in the files.
  std::vector<std::string> targets;         ///< -t; empty = where the manifest says.
  bool dry_run = false;                     ///< Assembles and tells the digest, sends nothing.
  bool insecure_all = false;                ///< --insecure
  std::vector<std::string> insecure_hosts;  ///< --insecure=HOST
  std::string ca_file;                      ///< Trusted for every registry, besides the system's.
  bool json = false;                        ///< -o json

  BuildOptions() = default;  // Not an aggregate: may travel through co_await.
};

/// `kiln build`: the ImageBuilds of manifests, with the ConfigMaps and Secrets beside them. Prints
/// one line (or JSON object) per destination on standard output: "repository@sha256:…". Errors:
/// those of the manifests, sources, registries; the first one ends the command. Lifetime: what
/// `engine` refers to outlives the task.
[[nodiscard]] Task<Result<void>> build_command(BuildOptions options, Engine engine);

}  // namespace kiln::cli
