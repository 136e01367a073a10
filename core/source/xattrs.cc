#include "core/source/xattrs.h"

#include <sys/types.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

#include "core/base/file.h"

namespace kiln::source {
namespace {

/// Calls `get(buffer, size)` with a size of 0 and then with what that answered, until it fits.
template <class Get>
Result<std::string> attribute_bytes(const std::string& shown, Get get) {
  for (;;) {
    const auto size = get(nullptr, std::size_t{0});
    std::string bytes(static_cast<std::size_t>(std::max<ssize_t>(size, 0)), '\0');
    const auto count = size <= 0 ? size : get(bytes.data(), bytes.size());
    if (count < 0 && errno == ERANGE) continue;  // It grew in between.
    if (count < 0 && errno == ENOTSUP) return std::string();
    if (count < 0 && errno == ENODATA)
      return Error(Errc::kConflict,
                   shown + " changed while it was read: an extended attribute is gone");
    if (count < 0) return errno_error(errno, "cannot read the extended attributes of", shown);
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
  }
}

bool wanted_xattr(std::string_view name) {
  return name.starts_with("user.") || name == "security.capability";
}

}  // namespace

Result<std::map<std::string, std::string>> xattrs_of(int fd, const std::string& shown) {
  auto list = attribute_bytes(
      shown, [fd](char* buffer, std::size_t size) { return ::flistxattr(fd, buffer, size); });
  if (list.has_error()) return std::move(list).error();
  std::map<std::string, std::string> found;
  for (std::string_view rest = *list; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (!wanted_xattr(name)) continue;
    auto value = attribute_bytes(shown, [fd, &name](char* buffer, std::size_t size) {
      return ::fgetxattr(fd, name.c_str(), buffer, size);
    });
    if (value.has_error()) return std::move(value).error();
    found.emplace(name, std::move(*value));
  }
  return found;
}

}  // namespace kiln::source
