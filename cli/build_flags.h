#pragma once
#include <string>

#include "core/base/error.h"
#include "core/build/request.h"

namespace CLI {
class App;
}

namespace kiln::cli {

/// --compression, --layers, --timestamps and --media-types: how layers are made. "" = not given.
struct BuildFlags {
  std::string compression{};
  std::string layers{};
  std::string timestamps{};
  std::string media_types{};

  /// Lifetime: this object outlives the parsing.
  void add_to(CLI::App& command);
  /// --timestamps source: only who has content from git can do that.
  bool wants_commit_times() const { return timestamps == "source"; }
  /// Puts what was given into `request`, and $SOURCE_DATE_EPOCH. Errors: kInvalid, naming the flag;
  /// also for wants_commit_times() where there is no content from git.
  Result<void> apply(build::BuildRequest& request, bool has_git = false) const;
};

}  // namespace kiln::cli
