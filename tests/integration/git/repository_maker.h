#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file.h"
#include "core/base/process.h"

namespace kiln::source {

/// A bare repository for tests, written with the git program: first by plumbing, object by object,
/// so that it can hold what no honest git would commit. Throws std::runtime_error when git fails.
class RepositoryMaker {
 public:
  /// Made at `path`. `object_format`: "sha1" or "sha256".
  explicit RepositoryMaker(std::filesystem::path path, const std::string& object_format = "sha1");

  const std::filesystem::path& path() const { return path_; }

  /// Runs git on the repository and answers what it wrote, without the last line break.
  std::string git(const std::vector<std::string>& arguments, std::string_view input = {}) const;

  std::string blob(std::string_view bytes) const;
  /// One line of a tree.
  struct Line {
    std::string mode, type, object, name;
  };
  std::string tree(const std::vector<Line>& lines) const;
  /// A tree with its bytes as they are, for names that git refuses.
  std::string raw_tree(const std::vector<Line>& lines) const;
  std::string commit_tree(const std::string& tree, const std::string& parent = {}) const;
  void set_ref(const std::string& name, const std::string& object) const;

  /// What a file of commit() is.
  struct File {
    std::string bytes;
    std::string mode = "100644";       ///< "100755"; "120000": the bytes are a link's target;
                                       ///< "160000": they are a commit's id.
    File(const char* b) : bytes(b) {}  // NOLINT(google-explicit-constructor)
    File(std::string b) : bytes(std::move(b)) {}  // NOLINT(google-explicit-constructor)
    File(std::string b, std::string m) : bytes(std::move(b)), mode(std::move(m)) {}
  };
  using Files = std::map<std::string, File>;

  /// A commit with exactly these files on `branch`; answers its id.
  std::string commit(const Files& files, const std::string& branch = "main") const;
  void tag(const std::string& name, const std::string& object, bool annotated = false) const;

 private:
  std::filesystem::path path_;
};

}  // namespace kiln::source
