#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "core/oci/manifest.h"
#include "core/source/git_client.h"

namespace kiln::cli {

/// What earlier builds have read and made, in a folder of the cache: so that one with nothing new
/// asks servers what they have, and does nothing else. The controller knows it by the status.
///
/// What cannot be read or written is as if it had never been there. Threads: any; several processes
/// may share the folder. Blocking, but small.
class BuildMemory {
 public:
  /// `folder` "" = it remembers nothing.
  explicit BuildMemory(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// The image that was made of these inputs; see build::input_key.
  std::optional<oci::Descriptor> image(const std::string& input_key) const;
  void remember_image(const std::string& input_key, const oci::Descriptor& image) const;

  /// Was this built before? It may have been forgotten.
  bool has_built(const std::string& subject) const;
  void remember_built(const std::string& subject) const;

  /// What the same request had before, by the same credentials.
  std::optional<source::KnownContent> content(const source::GitRequest& request) const;
  void remember_content(const source::GitRequest& request,
                        const source::KnownContent& content) const;

 private:
  std::optional<std::string> read(const std::string& name) const;
  void write(const std::string& name, const std::string& text) const;

  std::filesystem::path folder_;
};

}  // namespace kiln::cli
