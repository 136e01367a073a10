#pragma once
// Heavy (JSON): for the .cc files of this folder only.
#include <string_view>

#include "controller/hooks/notice.h"
#include "core/base/json.h"

namespace kiln::hooks {

// The bodies of each sender. All are tolerant readers: a field that is absent or of another type
// counts as empty, and what is needed and empty is an error (kInvalid, naming the field). `event`
// is what the sender's header says; "" = nothing.

[[nodiscard]] Result<Notice> read_github(const Json& body, std::string_view event);
[[nodiscard]] Result<Notice> read_gitlab(const Json& body);
[[nodiscard]] Result<Notice> read_gitea(const Json& body, std::string_view event);
[[nodiscard]] Result<Notice> read_bitbucket(const Json& body, std::string_view event);
[[nodiscard]] Result<Notice> read_generic(const Json& body);
[[nodiscard]] Result<Notice> read_distribution(const Json& body);
[[nodiscard]] Result<Notice> read_harbor(const Json& body);
[[nodiscard]] Result<Notice> read_quay(const Json& body);
/// The events "package" and "registry_package" of GitHub.
[[nodiscard]] Result<Notice> read_github_package(const Json& body);

/// A notice of one push; kInvalid without any URL.
[[nodiscard]] Result<Notice> git_notice(std::vector<std::string> urls,
                                        std::vector<std::string> refs);

}  // namespace kiln::hooks
