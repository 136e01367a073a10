#pragma once
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln::source {

/// Is it a name that a file system may take for ".git": in any case, as NTFS shortens it ("git~1")
/// or drops its end (".git. ", ".git::$DATA", also behind a backslash), or with signs that HFS+
/// does not see? git itself takes none of them into a repository that it checks.
bool is_git_folder(std::string_view name);

/// That a layer can hold a path of a repository, and that whoever unpacks it is not given a
/// repository's insides. Errors: kInvalid.
[[nodiscard]] Result<void> check_git_path(const std::string& path);

}  // namespace kiln::source
