#include "core/source/directory_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/layer/entry_path.h"
#include "core/layer/file_tree.h"
#include "core/source/root_directory.h"
#include "core/source/xattrs.h"

namespace kiln::source {
namespace {

constexpr std::uint64_t kMaxIgnoreFileBytes = 1 << 20;

using layer::EntryKind;
using Stream = std::unique_ptr<DIR, int (*)(DIR*)>;

/// A name in a directory, and what the file system says that it is; DT_UNKNOWN = it does not say.
struct Name {
  std::size_t begin = 0;  ///< In the text of all names.
  std::size_t size = 0;
  unsigned char type = DT_UNKNOWN;
};

/// The names of one directory. Each has a NUL behind it.
struct Names {
  std::string text{};
  std::vector<Name> all{};

  std::string_view of(const Name& name) const {
    return std::string_view(text).substr(name.begin, name.size);
  }
};

/// What is in a directory, sorted so that errors do not depend on the file system.
Result<Names> names_in(DIR* stream, const std::string& shown) {
  Names names;
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(stream);
    if (found == nullptr && errno != 0) return errno_error(errno, "cannot list", shown);
    if (found == nullptr) break;
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    names.all.push_back(Name{names.text.size(), name.size(), found->d_type});
    names.text += name;
    names.text += '\0';
  }
  std::sort(names.all.begin(), names.all.end(),
            [&](const Name& a, const Name& b) { return names.of(a) < names.of(b); });
  return names;
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

/// Is this surely a name that check_path() has nothing against? Most are.
bool is_plain(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return name.size() <= layer::kMaxPartBytes && !name.starts_with(".wh.") &&
         std::none_of(name.begin(), name.end(), is_control);
}

/// One directory: first to be listed, then with what was found in it.
struct Directory {
  std::unique_ptr<const std::string> path;
  std::shared_ptr<const IgnoreRules> rules;  ///< Shared by all that have no file of their own.
  std::unique_ptr<const std::string> names{};
  std::vector<FoundPath> found{};   ///< By name.
  std::vector<Directory*> below{};  ///< Those among them, in their order.
  FoundPath itself{};               ///< What its parent cannot know of it.
};

using Directories = std::vector<std::unique_ptr<Directory>>;

}  // namespace

class DirectoryWalk::Impl {
 public:
  Impl(std::shared_ptr<const RootDirectory> root, DirectoryOptions options)
      : root_(std::move(root)), options_(std::move(options)) {}

  void take_everything() {
    directories_.push_back(new_directory("", std::make_shared<const IgnoreRules>(options_.ignore)));
    waiting_.push_back(directories_.back().get());
  }
  /// One file of the root, under the name `as`.
  Result<void> take_one_file(const std::string& name, const std::string& as,
                             const struct stat& info);
  void work();
  Result<DirectoryListing> finish();

 private:
  struct Failure {
    const std::string* directory;
    Error error;
  };
  /// A directory, and those in it.
  struct Listed {
    Directory* directory;
    Result<Directories> below = Directories();
  };
  /// A directory while it is listed.
  struct Listing {
    Directory& directory;
    int fd;
    std::shared_ptr<const IgnoreRules> rules;
    Directories below{};
  };

  static std::unique_ptr<Directory> new_directory(std::string path,
                                                  std::shared_ptr<const IgnoreRules> rules) {
    auto directory = std::make_unique<Directory>();
    directory->path = std::make_unique<const std::string>(std::move(path));
    directory->rules = std::move(rules);
    return directory;
  }

  void take_some(std::vector<Listed>& some);
  void give(Directory& listed, Result<Directories> below);
  Result<Stream> open_directory(const std::string& path) const;
  Result<Directories> list(Directory& directory) const;
  Result<void> look_at_itself(Directory& directory, int fd) const;
  Result<void> add(Listing& at, std::string_view name, unsigned char type) const;
  Result<void> add_file(Listing& at, FoundPath found, const struct stat& info) const;
  Result<void> add_symlink(Listing& at, FoundPath found) const;
  Result<std::shared_ptr<const IgnoreRules>> rules_in(const Directory& directory, int fd) const;
  Result<std::unique_ptr<const FoundPath::Rare>> xattrs_of_file(const std::string& path,
                                                                const struct stat& info) const;
  void take_facts(FoundPath& found, EntryKind kind, const struct stat& info) const;

  std::shared_ptr<const RootDirectory> root_;
  DirectoryOptions options_;
  DirectoryListing listing_;  ///< Of a root that is a file.

  std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable more_;
  Directories directories_;  ///< All.
  std::vector<Directory*> waiting_;
  std::size_t workers_ = 0;  ///< How many threads have come.
  std::size_t busy_ = 0;     ///< How many of them are listing.
  std::optional<Failure> failure_;
};

void DirectoryWalk::Impl::work() {
  std::vector<Listed> some;
  std::unique_lock lock(mutex_);
  ++workers_;
  for (;;) {
    more_.wait(lock, [this] { return !waiting_.empty() || busy_ == 0; });
    if (waiting_.empty()) return;
    take_some(some);
    ++busy_;
    lock.unlock();
    try {
      for (auto& one : some) one.below = list(*one.directory);
    } catch (...) {
      lock.lock();
      --busy_;
      waiting_.clear();
      more_.notify_all();
      throw;
    }
    lock.lock();
    --busy_;
    for (auto& one : some) give(*one.directory, std::move(one.below));
    if (busy_ == 0 || !waiting_.empty()) more_.notify_all();
  }
}

/// Under the lock. Half of one's share, so that nobody is without work at the end; but not one by
/// one: most directories are listed in less time than another thread is woken.
void DirectoryWalk::Impl::take_some(std::vector<Listed>& some) {
  constexpr std::size_t kMost = 16;
  some.clear();
  for (auto count = std::clamp<std::size_t>(waiting_.size() / (2 * workers_), 1, kMost); count > 0;
       --count) {
    auto* next = waiting_.back();
    waiting_.pop_back();
    // What is before it by path may still have an error that comes first.
    if (!failure_ || layer::sorted_before(*next->path, *failure_->directory))
      some.push_back(Listed{next});
  }
}

/// Under the lock.
void DirectoryWalk::Impl::give(Directory& listed, Result<Directories> below) {
  if (below.has_error()) {
    if (!failure_ || layer::sorted_before(*listed.path, *failure_->directory))
      failure_.emplace(Failure{listed.path.get(), std::move(below).error()});
    return;
  }
  for (auto& directory : *below) {
    listed.below.push_back(directory.get());
    waiting_.push_back(directory.get());
    directories_.push_back(std::move(directory));
  }
}

Result<DirectoryListing> DirectoryWalk::Impl::finish() {
  if (failure_) return std::move(failure_->error);
  struct Level {
    Directory* directory;
    std::size_t found = 0;
    std::size_t below = 0;
  };
  std::vector<Level> levels;
  std::size_t count = 0;
  for (const auto& directory : directories_) count += directory->found.size();
  listing_.paths.reserve(listing_.paths.size() + count);
  if (!directories_.empty()) levels.push_back(Level{directories_.front().get()});
  while (!levels.empty()) {
    auto& level = levels.back();
    auto& directory = *level.directory;
    if (level.found == directory.found.size()) {
      levels.pop_back();
      continue;
    }
    listing_.paths.push_back(std::move(directory.found[level.found++]));
    auto& found = listing_.paths.back();
    if (found.kind != EntryKind::kDirectory) continue;
    auto* below = directory.below[level.below++];
    found.mode = below->itself.mode;
    found.uid = below->itself.uid;
    found.gid = below->itself.gid;
    found.rare = std::move(below->itself.rare);
    levels.push_back(Level{below});
  }
  for (auto& directory : directories_) {
    listing_.texts.push_back(std::move(directory->path));
    listing_.texts.push_back(std::move(directory->names));
  }
  listing_.root = root_;
  tell_hard_links(listing_);
  return std::move(listing_);
}

Result<Stream> DirectoryWalk::Impl::open_directory(const std::string& path) const {
  auto fd = root_->open_below(path, O_DIRECTORY);
  if (fd.has_error()) return std::move(fd).error();
  Stream stream(::fdopendir(fd->get()), &::closedir);
  if (!stream) return errno_error(errno, "cannot list", root_->shown(path));
  fd->release();  // The stream's now.
  return stream;
}

/// Answers the directories in it.
Result<Directories> DirectoryWalk::Impl::list(Directory& directory) const {
  const auto stream = open_directory(*directory.path);
  if (stream.has_error()) return stream.error();
  const int fd = ::dirfd(stream->get());
  if (!directory.path->empty()) KILN_TRY(look_at_itself(directory, fd));

  auto names = names_in(stream->get(), root_->shown(*directory.path));
  if (names.has_error()) return std::move(names).error();
  directory.names = std::make_unique<const std::string>(std::move(names->text));
  const std::string_view text = *directory.names;
  Listing at{directory, fd, directory.rules};
  for (const auto& name : names->all) {
    if (text.substr(name.begin, name.size) != kIgnoreFile) continue;
    auto rules = rules_in(directory, fd);
    if (rules.has_error()) return std::move(rules).error();
    at.rules = std::move(*rules);
  }
  directory.found.reserve(names->all.size());
  for (const auto& name : names->all) {
    const auto shown = text.substr(name.begin, name.size);
    if (shown != kIgnoreFile) KILN_TRY(add(at, shown, name.type));
  }
  return std::move(at.below);
}

/// As it is now that it is open: that is what its content belongs to.
Result<void> DirectoryWalk::Impl::look_at_itself(Directory& directory, int fd) const {
  struct stat info {};
  if (::fstat(fd, &info) != 0)
    return errno_error(errno, "cannot look at", root_->shown(*directory.path));
  take_facts(directory.itself, EntryKind::kDirectory, info);
  if (!options_.keep_xattrs) return {};
  auto xattrs = xattrs_of(fd, root_->shown(*directory.path));
  if (xattrs.has_error()) return std::move(xattrs).error();
  directory.itself.rare =
      std::make_unique<FoundPath::Rare>(FoundPath::Rare{"", std::move(*xattrs)});
  return {};
}

Result<void> DirectoryWalk::Impl::add(Listing& at, std::string_view name,
                                      unsigned char type) const {
  FoundPath found;
  found.directory = *at.directory.path;
  found.name = name;
  struct stat info {};
  // What a directory is besides is asked when it is open.
  if (type == DT_DIR)
    info.st_mode = S_IFDIR;
  else if (::fstatat(at.fd, name.data(), &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
    return errno == ENOENT ? root_->changed(found.path(), "it is gone")
                           : errno_error(errno, "cannot look at", root_->shown(found.path()));
  const bool is_directory = S_ISDIR(info.st_mode);
  if (!at.rules->empty() && at.rules->ignores_itself(found.path(), is_directory)) return {};
  // First of all, so that whatever names it later can be shown to a person, and opened.
  if (!is_plain(name) || found.directory.size() + 1 + name.size() > layer::kMaxPathBytes) {
    auto storable = check_path(found.path());
    if (storable.has_error()) return std::move(storable).error().while_doing(root_->shown(""));
  }

  if (is_directory) {
    found.kind = EntryKind::kDirectory;
    at.below.push_back(new_directory(found.path(), at.rules));
    at.directory.found.push_back(std::move(found));
    return {};
  }
  if (S_ISREG(info.st_mode)) return add_file(at, std::move(found), info);
  if (S_ISLNK(info.st_mode)) {
    take_facts(found, EntryKind::kSymlink, info);
    return add_symlink(at, std::move(found));
  }
  return Error(Errc::kInvalid, root_->shown(found.path()) + " is " +
                                   std::string(noun(info.st_mode)) +
                                   ", which no layer can hold; remove it, or name it in " +
                                   std::string(kIgnoreFile));
}

Result<void> DirectoryWalk::Impl::add_file(Listing& at, FoundPath found,
                                           const struct stat& info) const {
  take_facts(found, EntryKind::kFile, info);
  if (options_.keep_xattrs) {
    auto rare = xattrs_of_file(found.path(), info);
    if (rare.has_error()) return std::move(rare).error();
    found.rare = std::move(*rare);
  }
  at.directory.found.push_back(std::move(found));
  return {};
}

Result<void> DirectoryWalk::Impl::add_symlink(Listing& at, FoundPath found) const {
  std::array<char, 4096> target{};  // PATH_MAX: no file system has longer ones.
  const auto size = ::readlinkat(at.fd, found.name.data(), target.data(), target.size());
  if (size < 0 && (errno == ENOENT || errno == EINVAL))
    return root_->changed(found.path(), "it is no symlink any more");
  if (size < 0) return errno_error(errno, "cannot read the symlink", root_->shown(found.path()));
  found.rare = std::make_unique<FoundPath::Rare>(
      FoundPath::Rare{std::string(target.data(), static_cast<std::size_t>(size)), {}});
  at.directory.found.push_back(std::move(found));
  return {};
}

Result<std::unique_ptr<const FoundPath::Rare>> DirectoryWalk::Impl::xattrs_of_file(
    const std::string& path, const struct stat& info) const {
  auto fd = root_->open_file(path, FileStamp(info));
  if (fd.has_error()) return std::move(fd).error();
  auto xattrs = xattrs_of(fd->get(), root_->shown(path));
  if (xattrs.has_error()) return std::move(xattrs).error();
  if (xattrs->empty()) return std::unique_ptr<const FoundPath::Rare>();
  return std::unique_ptr<const FoundPath::Rare>(
      std::make_unique<FoundPath::Rare>(FoundPath::Rare{"", std::move(*xattrs)}));
}

Result<std::shared_ptr<const IgnoreRules>> DirectoryWalk::Impl::rules_in(const Directory& directory,
                                                                         int fd) const {
  const auto path = layer::join_path(*directory.path, kIgnoreFile);
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
  rules.add(*directory.path, std::move(*own));
  return std::make_shared<const IgnoreRules>(std::move(rules));
}

void DirectoryWalk::Impl::take_facts(FoundPath& found, EntryKind kind,
                                     const struct stat& info) const {
  found.kind = kind;
  const bool executable = kind == EntryKind::kDirectory || (info.st_mode & S_IXUSR) != 0;
  found.mode = executable ? 0755 : 0644;
  if (options_.keep_modes) found.mode = info.st_mode & 07777U;
  if (kind == EntryKind::kSymlink) found.mode = 0777;  // What Linux has for all of them.
  if (options_.keep_owners) {
    found.uid = info.st_uid;
    found.gid = info.st_gid;
  }
  if (kind != EntryKind::kFile) return;
  found.version = FileVersion(info);
  found.links = info.st_nlink;
}

Result<void> DirectoryWalk::Impl::take_one_file(const std::string& name, const std::string& as,
                                                const struct stat& info) {
  FoundPath found;
  listing_.file_name = name;
  listing_.texts.push_back(std::make_unique<const std::string>(as));
  found.name = *listing_.texts.back();
  take_facts(found, EntryKind::kFile, info);
  if (options_.keep_xattrs) {
    auto rare = xattrs_of_file(name, info);
    if (rare.has_error()) return std::move(rare).error();
    found.rare = std::move(*rare);
  }
  listing_.paths.push_back(std::move(found));
  return {};
}

DirectoryWalk::DirectoryWalk(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DirectoryWalk::~DirectoryWalk() = default;
void DirectoryWalk::work() {
  impl_->work();
}
Result<DirectoryListing> DirectoryWalk::finish() {
  return impl_->finish();
}

Result<std::shared_ptr<DirectoryWalk>> DirectoryWalk::begin(const std::filesystem::path& root,
                                                            const DirectoryOptions& options) {
  const auto walk_of = [&](std::shared_ptr<const RootDirectory> directory) {
    auto impl = std::make_unique<Impl>(std::move(directory), options);
    return std::shared_ptr<DirectoryWalk>(new DirectoryWalk(std::move(impl)));
  };
  struct stat info {};
  if (::stat(root.c_str(), &info) != 0) return errno_error(errno, "cannot look at", root);
  if (S_ISDIR(info.st_mode)) {
    auto directory = RootDirectory::open(root);
    if (directory.has_error()) return std::move(directory).error();
    auto walk = walk_of(std::move(*directory));
    walk->impl_->take_everything();
    return walk;
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
  auto walk = walk_of(std::move(*directory));
  KILN_TRY(walk->impl_->take_one_file(real.filename().string(), as, info));
  return walk;
}

Result<DirectoryListing> walk_directory(const std::filesystem::path& root,
                                        const DirectoryOptions& options) {
  auto walk = DirectoryWalk::begin(root, options);
  if (walk.has_error()) return std::move(walk).error();
  (*walk)->work();
  return (*walk)->finish();
}

}  // namespace kiln::source
