#pragma once
#include <optional>
#include <string>
#include <utility>

#include "core/oci/digest.h"
#include "core/oci/manifest.h"

namespace kiln::store {

/// The annotation of an entry of index.json that holds its tag. Source: image-spec v1.1,
/// annotations.md.
inline constexpr const char* kRefName = "org.opencontainers.image.ref.name";

/// Which image of a layout is meant: the one of that digest, else the one of that tag, else the
/// only one there is.
struct LayoutChoice {
  std::string tag{};
  std::optional<oci::Digest> digest{};

  LayoutChoice() = default;
  // A constructor on purpose: no aggregate, so it may travel through co_await.
  explicit LayoutChoice(std::string t, std::optional<oci::Digest> d = std::nullopt)
      : tag(std::move(t)), digest(std::move(d)) {}
};

/// The entry of `index` that is meant. A tag is an entry's ref.name, or the part of it behind the
/// last colon ("1.27" of "docker.io/library/nginx:1.27", as podman writes it), if no ref.name is
/// the tag itself. "NAME:TAG" is the name that podman or containerd gave it. Unset for a digest
/// that is no entry's: it may be that of an index's child.
///
/// Errors: kInvalid where several images fit, kNotFound where none does, both naming those there
/// are.
[[nodiscard]] Result<std::optional<oci::Descriptor>> choose_entry(const oci::Index& index,
                                                                  const LayoutChoice& choice);

/// Do both names stand for one image: "nginx:1.27" and "docker.io/library/nginx:1.27"?
bool is_same_name(const std::string& a, const std::string& b);

/// "1.26, 1.27 and 3 more": names from outside, made fit for a message.
class NameList {
 public:
  void add(const std::string& name);
  /// "" where there are none.
  std::string str() const;

 private:
  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace kiln::store
