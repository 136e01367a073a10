#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/file.h"

namespace kiln::source {

/// Programs of every name that git, ssh or content of a repository could make somebody run, first
/// on the PATH, and every setting and variable that would make git run them: a configuration in
/// HOME, templates with hooks, the environment. Whoever runs one leaves a mark.
///
/// Set for this whole process as long as the object lives; servers that are there already do not
/// see it.
class DecoyPrograms {
 public:
  DecoyPrograms();
  ~DecoyPrograms();
  DecoyPrograms(const DecoyPrograms&) = delete;
  DecoyPrograms& operator=(const DecoyPrograms&) = delete;

  /// A program that leaves a mark, for content to name.
  std::string program() const { return (folder_.path() / "bin/evil").string(); }
  /// Which were run, and with which words; "" = none.
  std::string marks() const;

 private:
  void set(const std::string& name, const std::string& value);
  std::string git_config() const;

  TempDir folder_;
  struct Before {
    std::string name, value;
    bool was_set;
  };
  std::vector<Before> before_;
};

/// A file outside all repositories that nobody may look into. Knows whether somebody did.
class ForbiddenFile {
 public:
  ForbiddenFile();
  const std::filesystem::path& folder() const { return folder_.path(); }
  std::string path() const { return (folder_.path() / "secret").string(); }
  static constexpr const char* kBytes = "[include]\n\tpath = what nobody may see\n";

  /// Somebody has opened it, or has listed the folder, since it was made.
  bool was_opened() const;

 private:
  TempDir folder_;
  UniqueFd watch_;
};

}  // namespace kiln::source
