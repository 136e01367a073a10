#pragma once
#include <map>
#include <string>

#include "core/base/error.h"

namespace kiln::source {

/// The extended attributes that content keeps (user.* and security.capability) of an open file or
/// directory, by name. `shown`: what errors call it. Errors: kConflict when one goes meanwhile; as
/// errno_error.
[[nodiscard]] Result<std::map<std::string, std::string>> xattrs_of(int fd,
                                                                   const std::string& shown);

}  // namespace kiln::source
