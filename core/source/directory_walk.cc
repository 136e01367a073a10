#include "core/source/directory_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "core/layer/entry_path.h"
#include "core/source/root_directory.h"

namespace kiln::source {
namespace {

constexpr std::uint64_t kMaxIgnoreFileBytes = 1 << 20;

using Names = std::vector<std::string>;

using Stream = std::unique_ptr<DIR, int (*)(DIR*)>;

/// What is in a directory, sorted so that errors do not depend on the file system.
Result<Names> names_in(DIR* stream, const std::string& shown) {
  Names names;
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(stream);
    if (found == nullptr && errno != 0) return errno_error(errno, "cannot list", shown);
    if (found == nullptr) break;
    const std::string_view name = found->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

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

std::string_view noun(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISBLK(mode) || S_ISCHR(mode)) return "a device";
  return "neither a file nor a directory nor a symlink";
}

/// That a layer can hold `path`.
Result<void> check_path(const std::string& path) {
  auto clean = layer::clean_relative_path(path);
  if (clean.has_error()) return std::move(clean).error();
  return layer::refuse_whiteout_names(path);
}

class Walk {
 public:
  Walk(std::shared_ptr<const RootDirectory> root, const DirectoryOptions& options)
      : root_(std::move(root)), options_(options) {}

  /// Everything below the root.
  Result<Walked> everything() {
    waiting_.push_back(Directory{"", std::make_shared<const IgnoreRules>(options_.ignore)});
    while (!waiting_.empty()) {
      const auto next = std::move(waiting_.back());
      waiting_.pop_back();
      KILN_TRY(list(next));
    }
    add_linked_files();
    return std::move(walked_);
  }

  /// One file of the root, under the name `as`.
  Result<Walked> one_file(const std::string& name, const std::string& as, const struct stat& info) {
    auto entry = file_entry(name, info);
    if (entry.has_error()) return std::move(entry).error();
    entry->path = as;
    found(std::move(*entry), FileVersion(info));
    return std::move(walked_);
  }

 private:
  struct Directory {
    std::string path;
    std::shared_ptr<const IgnoreRules> rules;  ///< Shared by all that have no file of their own.
  };
  using FileId = std::pair<dev_t, ino_t>;
  struct LinkedFile {
    std::vector<layer::Entry> names;
    FileVersion version;
  };

  Result<Stream> open_directory(const std::string& path) const;
  Result<void> list(const Directory& directory);
  Result<void> add(const Directory& directory, int fd, const std::string& name);
  Result<void> add_directory(const std::string& path, int fd);
  Result<void> add_file(const std::string& path, const struct stat& info);
  Result<void> add_symlink(layer::Entry entry, int fd, const std::string& name);
  void add_linked_files();
  void found(layer::Entry entry, const FileVersion& version = FileVersion()) {
    walked_.entries.push_back(std::move(entry));
    walked_.versions.push_back(version);
  }
  Result<std::shared_ptr<const IgnoreRules>> rules_in(const Directory& directory, int fd) const;
  Result<layer::Entry> file_entry(const std::string& path, const struct stat& info) const;
  layer::Entry entry_of(const std::string& path, layer::EntryKind kind,
                        const struct stat& info) const;

  std::shared_ptr<const RootDirectory> root_;
  const DirectoryOptions& options_;
  std::vector<Directory> waiting_;
  Walked walked_;
  std::map<FileId, LinkedFile> linked_;  ///< Files that have several names.
};

Result<Stream> Walk::open_directory(const std::string& path) const {
  auto fd = root_->open_below(path, O_DIRECTORY);
  if (fd.has_error()) return std::move(fd).error();
  Stream stream(::fdopendir(fd->get()), &::closedir);
  if (!stream) return errno_error(errno, "cannot list", root_->shown(path));
  fd->release();  // The stream's now.
  return stream;
}

Result<void> Walk::list(const Directory& directory) {
  const auto stream = open_directory(directory.path);
  if (stream.has_error()) return stream.error();
  const int fd = ::dirfd(stream->get());
  if (!directory.path.empty()) KILN_TRY(add_directory(directory.path, fd));

  auto names = names_in(stream->get(), root_->shown(directory.path));
  if (names.has_error()) return std::move(names).error();
  auto below = directory;
  if (std::binary_search(names->begin(), names->end(), kIgnoreFile)) {
    auto rules = rules_in(directory, fd);
    if (rules.has_error()) return std::move(rules).error();
    below.rules = std::move(*rules);
  }
  for (const auto& name : *names)
    if (name != kIgnoreFile) KILN_TRY(add(below, fd, name));
  return {};
}

Result<void> Walk::add(const Directory& directory, int fd, const std::string& name) {
  auto path = layer::join_path(directory.path, name);
  struct stat info {};
  if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
    return errno == ENOENT ? root_->changed(path, "it is gone")
                           : errno_error(errno, "cannot look at", root_->shown(path));
  if (directory.rules->ignores_itself(path, S_ISDIR(info.st_mode))) return {};
  // First of all, so that whatever names it later can be shown to a person, and opened.
  auto storable = check_path(path);
  if (storable.has_error()) return std::move(storable).error().while_doing(root_->shown(""));

  if (S_ISDIR(info.st_mode)) {
    waiting_.push_back(Directory{std::move(path), directory.rules});
    return {};
  }
  if (S_ISREG(info.st_mode)) return add_file(path, info);
  if (S_ISLNK(info.st_mode))
    return add_symlink(entry_of(path, layer::EntryKind::kSymlink, info), fd, name);
  return Error(Errc::kInvalid, root_->shown(path) + " is " + std::string(noun(info.st_mode)) +
                                   ", which no layer can hold; remove it, or name it in " +
                                   std::string(kIgnoreFile));
}

/// As it is now that it is open: that is what its content belongs to.
Result<void> Walk::add_directory(const std::string& path, int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "cannot look at", root_->shown(path));
  auto entry = entry_of(path, layer::EntryKind::kDirectory, info);
  if (options_.keep_xattrs) {
    auto xattrs = xattrs_of(fd, root_->shown(path));
    if (xattrs.has_error()) return std::move(xattrs).error();
    entry.xattrs = std::move(*xattrs);
  }
  found(std::move(entry));
  return {};
}

Result<void> Walk::add_file(const std::string& path, const struct stat& info) {
  auto entry = file_entry(path, info);
  if (entry.has_error()) return std::move(entry).error();
  if (info.st_nlink == 1) {
    found(std::move(*entry), FileVersion(info));
    return {};
  }
  auto& file = linked_[FileId(info.st_dev, info.st_ino)];
  // As the first name had it: what changed since is told by the readers of the bytes.
  if (file.names.empty()) file.version = FileVersion(info);
  file.names.push_back(std::move(*entry));
  return {};
}

Result<void> Walk::add_symlink(layer::Entry entry, int fd, const std::string& name) {
  std::array<char, 4096> target{};  // PATH_MAX: no file system has longer ones.
  const auto size = ::readlinkat(fd, name.c_str(), target.data(), target.size());
  if (size < 0 && (errno == ENOENT || errno == EINVAL))
    return root_->changed(entry.path, "it is no symlink any more");
  if (size < 0) return errno_error(errno, "cannot read the symlink", root_->shown(entry.path));
  entry.link_target.assign(target.data(), static_cast<std::size_t>(size));
  found(std::move(entry));
  return {};
}

/// The first name by path is the file, whatever the order in which they were found.
void Walk::add_linked_files() {
  for (auto& [id, linked] : linked_) {
    auto& names = linked.names;
    const auto by_path = [](const auto& a, const auto& b) {
      return layer::sorted_before(a.path, b.path);
    };
    std::sort(names.begin(), names.end(), by_path);
    const auto& file = names.front().path;
    for (std::size_t i = 1; i < names.size(); ++i) {
      layer::Entry link(std::move(names[i].path), layer::EntryKind::kHardlink);
      link.mode = names[i].mode;
      link.uid = names[i].uid;
      link.gid = names[i].gid;
      link.link_target = file;
      found(std::move(link));
    }
    found(std::move(names.front()), linked.version);
  }
  linked_.clear();
}

Result<std::shared_ptr<const IgnoreRules>> Walk::rules_in(const Directory& directory,
                                                          int fd) const {
  const auto path = layer::join_path(directory.path, kIgnoreFile);
  const auto shown = root_->shown(path);
  struct stat info {};
  if (::fstatat(fd, std::string(kIgnoreFile).c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? root_->changed(path, "it is gone")
                           : errno_error(errno, "cannot look at", shown);
  if (!S_ISREG(info.st_mode)) return Error(Errc::kInvalid, shown + " must be a regular file");
  const auto content = root_->content_of(path, FileStamp(info));
  auto source = content.open();
  if (source.has_error()) return std::move(source).error();
  auto text = read_all(**source, kMaxIgnoreFileBytes);
  if (text.has_error()) return std::move(text).error().while_doing("reading " + shown);
  auto own = IgnoreRules::parse(*text);
  if (own.has_error()) return std::move(own).error().while_doing(shown);
  auto rules = *directory.rules;
  rules.add(directory.path, std::move(*own));
  return std::make_shared<const IgnoreRules>(std::move(rules));
}

Result<layer::Entry> Walk::file_entry(const std::string& path, const struct stat& info) const {
  const FileStamp stamp(info);
  auto entry = entry_of(path, layer::EntryKind::kFile, info);
  entry.content = root_->content_of(path, stamp);
  if (!options_.keep_xattrs) return entry;
  auto fd = root_->open_file(path, stamp);
  if (fd.has_error()) return std::move(fd).error();
  auto xattrs = xattrs_of(fd->get(), root_->shown(path));
  if (xattrs.has_error()) return std::move(xattrs).error();
  entry.xattrs = std::move(*xattrs);
  return entry;
}

layer::Entry Walk::entry_of(const std::string& path, layer::EntryKind kind,
                            const struct stat& info) const {
  layer::Entry entry(path, kind);
  const bool executable = kind == layer::EntryKind::kDirectory || (info.st_mode & S_IXUSR) != 0;
  entry.mode = executable ? 0755 : 0644;
  if (options_.keep_modes) entry.mode = info.st_mode & 07777U;
  if (kind == layer::EntryKind::kSymlink) entry.mode = 0777;  // What Linux has for all of them.
  if (options_.keep_owners) {
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
  }
  return entry;
}

}  // namespace

Result<Walked> walk_directory(const std::filesystem::path& root, const DirectoryOptions& options) {
  struct stat info {};
  if (::stat(root.c_str(), &info) != 0) return errno_error(errno, "cannot look at", root);
  if (S_ISDIR(info.st_mode)) {
    auto directory = RootDirectory::open(root);
    if (directory.has_error()) return std::move(directory).error();
    return Walk(std::move(*directory), options).everything();
  }
  if (!S_ISREG(info.st_mode))
    return Error(Errc::kInvalid, root.string() + " is " + std::string(noun(info.st_mode)) +
                                     "; give a folder or a regular file");

  // Where it really lies: below there no symlink is followed any more.
  std::error_code failed;
  const auto real = std::filesystem::canonical(root, failed);
  if (failed) return errno_error(failed.value(), "cannot look at", root);
  auto directory = RootDirectory::open(real.parent_path());
  if (directory.has_error()) return std::move(directory).error();
  const auto as = options.file_name.empty() ? root.filename().string() : options.file_name;
  return Walk(std::move(*directory), options).one_file(real.filename().string(), as, info);
}

}  // namespace kiln::source
