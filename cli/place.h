#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/oci/reference.h"

namespace kiln::cli {

/// Where an image lives, as it stands on the command line. A value.
///
///   nginx:1.27, r.io/team/site@sha256:…   a registry
///   oci:DIR[:TAG], oci:DIR@sha256:…       an OCI image layout
///   oci-archive:FILE[:TAG]                a tar of one
///   docker-archive:FILE[:NAME[:TAG]]      as `docker save` writes them
///   docker-daemon:NAME[:TAG]              the local Docker daemon
///   scratch                               nothing; as a base only
class Place {
 public:
  enum class Kind { kRegistry, kOciLayout, kOciArchive, kDockerArchive, kDockerDaemon, kScratch };

  /// Errors: kInvalid, saying what to write instead.
  [[nodiscard]] static Result<Place> parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_registry() const { return kind_ == Kind::kRegistry; }
  /// As it was written.
  const std::string& text() const { return text_; }
  /// Only where is_registry().
  const oci::Reference& reference() const { return *reference_; }
  /// The folder or file; of a daemon "".
  const std::string& path() const { return path_; }
  /// Of a layout or archive the tag or name in it, of a daemon NAME:TAG; "" = not given.
  const std::string& tag() const { return tag_; }
  /// Of a layout; unset = not given.
  const std::optional<oci::Digest>& digest() const { return digest_; }
  /// What the last line of output begins with: "registry/path", "oci:DIR", "docker-daemon:site:1".
  std::string name() const;

 private:
  Place(Kind kind, std::string_view text) : kind_(kind), text_(text) {}
  Result<void> read_layout(std::string_view rest);
  Result<void> read_docker_archive(std::string_view rest);
  Result<void> read_daemon(std::string_view rest);

  Kind kind_;
  std::string text_;
  std::optional<oci::Reference> reference_;
  std::string path_;
  std::string tag_;
  std::optional<oci::Digest> digest_;
};

/// The prefix of a kind, with its colon: "oci-archive:"; "" for a registry.
std::string_view prefix_of(Place::Kind kind);

/// `error`, with what it is about in front, unless it says so itself: errors of registries do.
Error about(std::string_view text, Error error);

}  // namespace kiln::cli
