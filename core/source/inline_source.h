#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/source/source.h"

namespace kiln::source {

/// A file given as bytes: a key of named data, or text that stands in a manifest.
struct NamedFile {
  std::string path;  ///< Relative: "index.html", "css/site.css".
  std::shared_ptr<const std::string> bytes;

  NamedFile(std::string p, std::string b)
      : path(std::move(p)), bytes(std::make_shared<const std::string>(std::move(b))) {}
};

/// Content from bytes in memory.
class InlineSource final : public Source {
 public:
  InlineSource(std::string description, std::string revision, std::vector<NamedFile> files)
      : description_(std::move(description)),
        revision_(std::move(revision)),
        files_(std::move(files)) {}

  std::string description() const override { return description_; }
  /// Errors: kInvalid for a name that is not clean, is a ".wh." name, or stands twice.
  Task<Result<Content>> fetch() override;

 private:
  std::string description_;
  std::string revision_;
  std::vector<NamedFile> files_;
};

}  // namespace kiln::source
