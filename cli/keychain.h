#pragma once
#include <memory>

#include "core/auth/docker_config.h"
#include "core/base/error.h"

namespace kiln::cli {

/// The user's own credentials, as docker, podman and crane find them: $REGISTRY_AUTH_FILE, then
/// $DOCKER_CONFIG/config.json or ~/.docker/config.json, then $XDG_RUNTIME_DIR/containers/auth.json.
/// Files that do not exist are fine; a file that cannot be read or parsed is an error that names
/// it. Credential helper programs are not run by this version; a warning on stderr says so.
[[nodiscard]] Result<std::shared_ptr<const auth::Keychain>> user_keychain();

}  // namespace kiln::cli
