#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/work_pool.h"
#include "core/build/request.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace kiln::cli {

/// SRC:DEST of a flag. DEST is absolute, so that the colon before its "/" parts the two.
struct SourceAndPlace {
  std::string source;
  std::string destination;
};

/// IMAGE:PATH:DEST of --from-image.
struct ImageAndPlace {
  std::string image;
  std::string path;
  std::string destination;
};
[[nodiscard]] Result<ImageAndPlace> split_image(std::string_view text);

/// `fallback`: the destination where none is given; "" = one must be. Errors: kInvalid, saying what
/// to write.
[[nodiscard]] Result<SourceAndPlace> split_source(std::string_view text, std::string_view fallback);

/// --dir, --tar, --file, --from-image and the flags for owners and modes: the content of `append`.
struct ContentFlags {
  std::vector<std::string> directories{};
  std::vector<std::string> tars{};
  std::vector<std::string> files{};
  std::vector<std::string> images{};
  std::vector<std::string> preserve{};
  std::vector<std::string> ignore{};
  std::optional<std::uint32_t> uid{};
  std::optional<std::uint32_t> gid{};
  std::string file_mode{};
  std::string dir_mode{};

  /// Lifetime: this object outlives the parsing.
  void add_to(CLI::App& command);
  /// The places that --from-image names, in order. Errors: kInvalid.
  Result<std::vector<std::string>> image_places() const;
  /// What was given, in the order of the command line. `readers`: of image_places(), in order.
  /// Lifetime: `pool` outlives the content. Errors: kInvalid, naming the flag.
  Result<std::vector<build::ContentRequest>> content(
      WorkPool& pool, const std::vector<std::shared_ptr<store::ImageReader>>& readers) const;

 private:
  enum class Kind { kDirectory, kTar, kFile, kImage };
  struct Given {
    Kind kind;
    std::string text;
  };
  static std::string_view flag_of(Kind kind);
  Result<build::ContentRequest> directory(const std::string& text, WorkPool& pool) const;
  Result<build::ContentRequest> tar(const std::string& text, WorkPool& pool) const;
  Result<build::ContentRequest> file(const std::string& text, WorkPool& pool) const;
  Result<build::Ownership> ownership() const;
  Result<build::ContentRequest> request_for(
      const Given& given, WorkPool& pool,
      const std::vector<std::shared_ptr<store::ImageReader>>& readers,
      std::size_t& images_seen) const;

  std::vector<Given> given_{};
};

}  // namespace kiln::cli
