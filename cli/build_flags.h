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
  /// Puts what was given into `request`, and $SOURCE_DATE_EPOCH. Errors: kInvalid, naming the flag.
  Result<void> apply(build::BuildRequest& request) const;
};

}  // namespace kiln::cli
