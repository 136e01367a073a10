#pragma once
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/oci/digest.h"

namespace kiln::oci {

/// A repository in a registry: "index.docker.io" + "library/nginx".
struct Repository {
  std::string registry;  ///< host[:port], lower case; Docker Hub is always "index.docker.io".
  std::string path;      ///< "library/nginx"

  /// registry/path.
  std::string str() const { return registry + "/" + path; }
  friend auto operator<=>(const Repository&, const Repository&) = default;
};

/// The name of an image in a registry. A small immutable value; what exists is well formed.
class Reference {
 public:
  /// Short names resolve as Docker does: "nginx" → index.docker.io/library/nginx:latest;
  /// "docker.io", "registry-1.docker.io" and "index.docker.io" are one registry. Source:
  /// distribution-spec v1.1 (repository and tag grammar), docker/distribution reference. Errors:
  /// kInvalid, naming the part that is wrong and what to write instead.
  [[nodiscard]] static Result<Reference> parse(std::string_view text);

  /// The same grammar; neither tag nor digest allowed.
  [[nodiscard]] static Result<Repository> parse_repository(std::string_view text);

  /// A tag alone: [A-Za-z0-9_][A-Za-z0-9._-]{0,127}.
  [[nodiscard]] static Result<std::string> parse_tag(std::string_view text);

  const Repository& repository() const { return repository_; }
  /// "" only when a digest was given without a tag.
  const std::string& tag() const { return tag_; }
  const std::optional<Digest>& digest() const { return digest_; }

  /// What goes into /v2/<name>/manifests/<…>: the digest where there is one, else the tag.
  std::string identifier() const { return digest_ ? digest_->str() : tag_; }

  Reference with_tag(std::string tag) const;   ///< Drops the digest.
  Reference with_digest(Digest digest) const;  ///< Drops the tag.
  std::string str() const;                     ///< registry/path[:tag][@digest], in full.

  friend auto operator<=>(const Reference&, const Reference&) = default;

 private:
  Reference(Repository repository, std::string tag, std::optional<Digest> digest)
      : repository_(std::move(repository)), tag_(std::move(tag)), digest_(std::move(digest)) {}
  Repository repository_;
  std::string tag_;
  std::optional<Digest> digest_;
};

/// Splits "host[:port]" off a registry name and tells whether it is localhost or a loopback
/// address, which may be spoken to in plain http, as docker and crane do.
bool is_loopback_registry(std::string_view registry);

}  // namespace kiln::oci
