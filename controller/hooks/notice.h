#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "controller/hooks/endpoint.h"
#include "core/http/server.h"
#include "core/oci/reference.h"

namespace kiln::hooks {

/// Refs of one repository were changed, made or deleted.
struct GitPush {
  std::vector<std::string> urls;  ///< All the ways to it that the sender names; never empty.
  std::vector<std::string> refs;  ///< In full, "refs/heads/main"; empty = it is not said which.
  GitPush() = default;
};

/// A tag of a registry was set.
struct ImagePush {
  oci::Repository repository;
  std::string tag;
  std::string digest;  ///< As the sender says, for the log; "" = not said.
  friend bool operator==(const ImagePush&, const ImagePush&) = default;
};

/// What a webhook says, whoever sent it.
struct Notice {
  enum class What {
    kNews,
    kPing,     ///< The sender tries whether it is heard.
    kNothing,  ///< An event that changes no content and no base.
  };
  /// Of a body that names more refs it is not said which; of images those that come later are left
  /// to polling.
  static constexpr std::size_t kMostRefs = 64;
  static constexpr std::size_t kMostImages = 64;

  What what = What::kNothing;
  /// How long after the notice the registry surely shows what it tells.
  std::chrono::milliseconds visible_after{0};
  std::vector<GitPush> pushes;
  std::vector<ImagePush> images;
  Notice() = default;  // Not an aggregate: may travel through co_await.
};

/// Reads what an authentic sender sent. What it does not need to know it does not look at.
/// Errors: kUnsupported (the body is no JSON by its Content-Type), kInvalid (not of the form that
/// such a sender has), never with a part of the body.
[[nodiscard]] Result<Notice> read_notice(Kind kind, const http::ServerRequest& request);

}  // namespace kiln::hooks
