#pragma once
// What stands before an entry's own header. For .cc files of this folder only.
#include <string_view>

#include "core/base/error.h"

namespace kiln::layer {

/// Looks at what programs do not read alike: where one sees the content of a file, another sees
/// entries, and content passes under the eyes of whoever checks with the other one (CVE-2025-62518,
/// "TARmageddon"). libarchive skips such records in silence, so they are refused before it is
/// believed. `header`: an entry's own header and all extended headers before it.
///
/// Refused are: a record that is not "LENGTH KEY=VALUE\n"; a "size" that is no plain number; a NUL
/// in a "path" or "linkpath"; GNU's long name together with a "path", "linkpath" or "size"; two
/// extended headers for one entry; a global header (type "g") that says more than a comment, as
/// readers that follow Go's archive/tar do not apply it and GNU tar does; Sun's "X" and "A".
/// Errors: kCorrupt. Answers whether the entry has a map of a sparse file, GNU's in any form or
/// Sun's: only who reads its content finds out whether the map is true.
[[nodiscard]] Result<bool> check_tar_records(std::string_view header);

}  // namespace kiln::layer
