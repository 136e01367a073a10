#include "core/source/git_part.h"

#include <algorithm>

#include "core/base/redact.h"
#include "core/layer/entry_path.h"
#include "core/source/directory_source.h"
#include "core/source/git_session.h"

namespace kiln::source {
namespace {

using Kind = GitTreeEntry::Kind;

constexpr std::size_t kMaxIgnoreFileBytes = 1 << 20;
constexpr std::size_t kMaxLinkBytes = 4095;  // PATH_MAX: no file system has longer ones.

std::string shown(const std::string& path) {
  return "\"" + sanitize_server_text(path, 256) + "\"";
}

Result<void> fetch_commit(GitPart& part, const GitRepository& repository, const GitProgram& program,
                          bool without_files, std::stop_token stop) {
  auto lock = part.entry->lock_for_writing(program.limits().fetch, stop);
  if (!lock) return std::move(lock).error();
  if (part.entry->is_suspected()) KILN_TRY(part.entry->renew());
  KILN_TRY(repository.prepare(part.commit.size() == 64));
  // Somebody else may have fetched it meanwhile.
  const auto there = repository.has_commit(part.commit);
  if (!there) return there.error();
  if (*there) return {};
  auto session = GitSession::open(program, *part.server);
  if (!session) return std::move(session).error();
  const auto bytes = repository.fetch(*session, part.commit, without_files);
  if (!bytes) return bytes.error();
  part.fetched_bytes += *bytes;
  return {};
}

bool is_ready(const GitPart& part, const GitRepository& repository) {
  std::error_code ignored;
  if (part.entry->is_suspected() ||
      !std::filesystem::exists(part.entry->repository() / "config", ignored))
    return false;
  const auto there = repository.has_commit(part.commit);
  return there && *there;
}

Result<void> fetch_blobs(GitPart& part, const std::vector<std::string>& blobs,
                         const GitProgram& program, std::stop_token stop) {
  const auto repository = part.repository(program, stop);
  const auto sizes = repository.sizes(blobs);
  if (!sizes) return sizes.error();
  if (std::find(sizes->begin(), sizes->end(), std::nullopt) == sizes->end()) return {};
  auto lock = part.entry->lock_for_writing(program.limits().fetch, stop);
  if (!lock) return std::move(lock).error();
  auto session = GitSession::open(program, *part.server);
  if (!session) return std::move(session).error();
  const auto bytes = repository.fetch_missing(*session, blobs);
  if (!bytes) return bytes.error();
  part.fetched_bytes += *bytes;
  return {};
}

/// Reads the files that `wanted` says and hands their bytes to `take`.
template <class Wanted, class TakeFile>
Result<void> read_some(const GitRepository& repository, std::vector<GitFile>& files,
                       std::size_t limit_bytes, Wanted wanted, TakeFile take) {
  std::vector<std::size_t> indexes;
  std::vector<std::string> blobs;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (wanted(files[i])) {
      indexes.push_back(i);
      blobs.push_back(files[i].object);
    }
  return repository.read(blobs, limit_bytes, [&](std::size_t n, std::string bytes) -> Result<void> {
    auto& file = files[indexes[n]];
    auto taken = take(file, std::move(bytes));
    if (!taken) return Error(taken.error()).while_doing("the file " + shown(file.path));
    return {};
  });
}

Result<void> take_link(GitFile& file, std::string target) {
  if (target.empty() || target.find('\0') != std::string::npos)
    return Error(Errc::kInvalid, "a symlink that leads nowhere cannot be stored");
  file.link_target = std::move(target);
  return {};
}

Result<void> take_pointer(GitFile& file, const std::string& text) {
  auto pointer = parse_lfs_pointer(text);
  if (!pointer) return std::move(pointer).error();
  file.lfs = std::move(*pointer);
  return {};
}

bool is_link(const GitFile& file) {
  return file.kind == Kind::kSymlink;
}

bool may_be_pointer(const GitFile& file) {
  return !is_link(file) && file.size_bytes >= kMinPointerBytes &&
         file.size_bytes <= kMaxPointerBytes;
}

}  // namespace

Result<void> open_part(GitPart& part, const GitProgram& program, const GitCache& cache,
                       bool without_files, std::size_t limit, std::stop_token stop) {
  const auto& server = *part.server;
  const auto key = cache.key(server.url, server.credentials, part.commit.size() == 64);
  auto entry = cache.use(key, stop);
  if (!entry) return std::move(entry).error();
  part.entry = std::move(*entry);
  const auto repository = part.repository(program, stop);
  if (!is_ready(part, repository)) {
    KILN_TRY(fetch_commit(part, repository, program, without_files, stop));
    cache.trim();
  }
  const auto time = repository.commit_time(part.commit);
  if (!time) return time.error();
  part.commit_time = *time;
  const auto tree = repository.tree_at(part.commit, part.sub_path);
  if (!tree) return tree.error();
  auto listed = repository.list(*tree, limit);
  if (!listed) return std::move(listed).error();
  part.tree = std::move(*listed);
  for (auto& line : part.tree) line.path = layer::join_path(part.prefix, line.path);
  return {};
}

Result<IgnoreRules> read_ignore_files(GitPart& part, IgnoreRules rules, const GitProgram& program,
                                      std::stop_token stop) {
  std::vector<const GitTreeEntry*> found;
  for (const auto& line : part.tree) {
    if (layer::name_of_path(line.path) != kIgnoreFile) continue;
    if (line.kind == Kind::kSymlink || line.kind == Kind::kSubmodule)
      return Error(Errc::kInvalid, shown(line.path) + " must be a regular file");
    found.push_back(&line);
  }
  // Deeper ones win, so they come later.
  const auto depth = [](const GitTreeEntry* line) {
    return std::count(line->path.begin(), line->path.end(), '/');
  };
  std::stable_sort(found.begin(), found.end(),
                   [&](const auto* a, const auto* b) { return depth(a) < depth(b); });
  std::vector<std::string> blobs;
  for (const auto* line : found) blobs.push_back(line->object);
  KILN_TRY(fetch_blobs(part, blobs, program, stop));
  const auto take = [&](std::size_t index, const std::string& text) -> Result<void> {
    const auto& path = found[index]->path;
    auto own = IgnoreRules::parse(text);
    if (!own) return std::move(own).error().while_doing(shown(path));
    rules.add(std::string(layer::parent_of(path)), std::move(*own));
    return {};
  };
  const auto read = part.repository(program, stop).read(blobs, kMaxIgnoreFileBytes, take);
  if (!read) return Error(read.error()).while_doing("reading .kilnignore");
  return rules;
}

Result<std::map<std::string, std::string>> read_submodules(GitPart& part, const GitProgram& program,
                                                           std::stop_token stop) {
  constexpr std::string_view kSection = "submodule.";
  std::map<std::string, std::string> urls;
  const auto repository = part.repository(program, stop);
  const auto blob = repository.file_at_root(part.commit, ".gitmodules");
  if (!blob) return blob.error();
  if (blob->empty()) return urls;
  KILN_TRY(fetch_blobs(part, {*blob}, program, stop));
  const auto settings = repository.read_gitmodules(*blob);
  if (!settings) return settings.error();
  std::map<std::string, std::string> paths_by_name;
  std::map<std::string, std::string> urls_by_name;
  for (const auto& [key, value] : *settings) {
    if (!key.starts_with(kSection)) continue;
    const auto dot = key.rfind('.');
    if (dot < kSection.size()) continue;
    const auto name = key.substr(kSection.size(), dot - kSection.size());
    if (key.substr(dot) == ".path") paths_by_name[name] = value;
    if (key.substr(dot) == ".url") urls_by_name[name] = value;
  }
  for (const auto& [name, path] : paths_by_name)
    if (const auto url = urls_by_name.find(name); url != urls_by_name.end())
      urls[path] = url->second;
  return urls;
}

Result<std::vector<GitFile>> complete_files(GitPart& part, std::vector<GitFile> files,
                                            const GitProgram& program, std::stop_token stop) {
  std::vector<std::string> blobs;
  blobs.reserve(files.size());
  for (const auto& file : files) blobs.push_back(file.object);
  KILN_TRY(fetch_blobs(part, blobs, program, stop));
  const auto repository = part.repository(program, stop);
  const auto sizes = repository.sizes(blobs);
  if (!sizes) return sizes.error();
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!(*sizes)[i])
      return Error(Errc::kCorrupt,
                   "the file " + shown(files[i].path) + " is not in the repository");
    files[i].size_bytes = *(*sizes)[i];
    if (is_link(files[i]) && files[i].size_bytes > kMaxLinkBytes)
      return Error(Errc::kInvalid, "the file " + shown(files[i].path) + ": it has " +
                                       std::to_string(files[i].size_bytes) +
                                       " bytes, and a symlink can have " +
                                       std::to_string(kMaxLinkBytes));
    total += std::min(files[i].size_bytes, program.limits().content_bytes);
    if (total > program.limits().content_bytes)
      return Error(Errc::kInvalid, "the files have more than the limit of " +
                                       std::to_string(program.limits().content_bytes) + " bytes");
  }
  KILN_TRY(read_some(repository, files, kMaxLinkBytes, is_link, take_link));
  KILN_TRY(read_some(repository, files, kMaxPointerBytes, may_be_pointer, take_pointer));
  return files;
}

}  // namespace kiln::source
