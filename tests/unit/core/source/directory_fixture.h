#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/base/io.h"
#include "core/base/work_pool.h"
#include "core/source/directory_source.h"
#include "tests/support/run_task.h"
#include "tests/unit/core/source/folder.h"

namespace kiln::source::testing_support {

/// The bytes of one file of a tree.
inline Result<std::string> bytes_of(const Content& content, const std::string& path) {
  const auto* entry = content.tree.find(path);
  if (entry == nullptr) return Error(Errc::kNotFound, path + " is not in the tree");
  auto source = entry->content.open();
  if (source.has_error()) return std::move(source).error();
  return read_all(**source, 1 << 26);
}

inline std::vector<std::string> paths_of(const Content& content) {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : content.tree.entries()) paths.push_back(path);
  return paths;
}

/// A folder, and what DirectorySource makes of it.
class DirectoryFixture : public ::testing::Test {
 protected:
  Result<Content> fetch(const DirectoryOptions& options = {}) {
    return fetch(folder_.path(), options);
  }
  Result<Content> fetch(const std::filesystem::path& root, const DirectoryOptions& options = {}) {
    DirectorySource source(root, options, pool_);
    return kiln::testing::run_task(source.fetch());
  }
  Result<Content> fetch_ignoring(const std::string& patterns) {
    DirectoryOptions options;
    options.ignore = *IgnoreRules::parse(patterns);
    return fetch(options);
  }
  /// A fetch by somebody who is not root.
  Result<Content> fetch_as_nobody(const DirectoryOptions& options = {}) {
    return as_nobody([&]() -> Result<Content> {
      WorkPool pool(1);  // Its threads are nobody's too.
      DirectorySource source(folder_.path(), options, pool);
      return kiln::testing::run_task(source.fetch());
    });
  }

  static DirectoryOptions keeping_all() {
    DirectoryOptions options;
    options.keep_modes = options.keep_owners = options.keep_xattrs = true;
    return options;
  }

  Folder folder_;
  WorkPool pool_{2};
};

}  // namespace kiln::source::testing_support
