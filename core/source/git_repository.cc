#include "core/source/git_repository.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "core/base/oldest_files.h"
#include "core/base/redact.h"
#include "core/source/git_batch.h"
#include "core/source/git_ref.h"

namespace kiln::source {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPathBytes = 4096;  // What no layer can hold is not read either.
constexpr std::size_t kMaxCommits = 8;       // Kept as what later fetches build upon.
constexpr std::size_t kMaxPacks = 40;        // More make git slow.
constexpr std::uint64_t kMaxModulesBytes = 1 << 20;
constexpr const char* kRefs = "refs/kiln";

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text.append(line).append("\n");
  return text;
}

std::optional<GitTreeEntry::Kind> kind_of(std::string_view mode) {
  using Kind = GitTreeEntry::Kind;
  if (mode == "120000") return Kind::kSymlink;
  if (mode == "160000") return Kind::kSubmodule;
  // Old repositories have 100664 and the like; git looks at one bit.
  if (mode.size() != 6 || !mode.starts_with("100")) return std::nullopt;
  const auto owner = mode[3];
  return owner >= '0' && owner <= '7' && ((owner - '0') & 1) != 0 ? Kind::kExecutable : Kind::kFile;
}

/// "100644 blob <id>\t<path>"
struct TreeLine {
  std::string_view mode, type, object, path;
};

std::optional<TreeLine> parse_line(std::string_view line) {
  const auto tab = line.find('\t');
  const auto first = line.find(' ');
  if (tab == line.npos || first >= tab) return std::nullopt;
  const auto second = line.find(' ', first + 1);
  if (second >= tab) return std::nullopt;
  return TreeLine{line.substr(0, first), line.substr(first + 1, second - first - 1),
                  line.substr(second + 1, tab - second - 1), line.substr(tab + 1)};
}

Error not_understood(std::string_view what) {
  return {Errc::kInternal, "git answered something that is no " + std::string(what)};
}

/// Takes what `git ls-tree -r -z` writes as it comes.
class TreeSink final : public ByteSink {
 public:
  explicit TreeSink(std::size_t limit) : limit_(limit) {}

  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto end = bytes.find('\0');
      pending_.append(bytes.substr(0, end));
      if (pending_.size() > kMaxPathBytes + 256)
        return Error(Errc::kInvalid, "a path of the repository has more than 4096 bytes");
      if (end == bytes.npos) return {};
      bytes.remove_prefix(end + 1);
      KILN_TRY(add(pending_));
      pending_.clear();
    }
    return {};
  }
  std::vector<GitTreeEntry> take() { return std::move(entries_); }

 private:
  Result<void> add(std::string_view text) {
    const auto line = parse_line(text);
    const auto kind = line ? kind_of(line->mode) : std::nullopt;
    if (!kind || !is_object_id(line->object)) return not_understood("line of a tree");
    if (entries_.size() == limit_)
      return Error(Errc::kInvalid,
                   "the repository has more than " + std::to_string(limit_) + " files");
    entries_.push_back({std::string(line->path), *kind, std::string(line->object)});
    return {};
  }

  std::size_t limit_;
  std::string pending_;
  std::vector<GitTreeEntry> entries_;
};

std::string_view noun(std::string_view mode) {
  if (mode == "120000") return "a symlink, and links are never followed: name the directory itself";
  if (mode == "160000") return "a submodule: give its repository an entry of its own";
  return "a file, not a directory";
}

}  // namespace

Command GitRepository::command(const std::vector<std::string>& arguments) const {
  auto command = program_.command(path_, arguments);
  command.stop = stop_;
  return command;
}

Result<void> GitRepository::make(bool long_ids) const {
  auto init = program_.command(
      "", {"init", "--quiet", "--bare", "--template=",
           long_ids ? "--object-format=sha256" : "--object-format=sha1", "--", path_.string()});
  init.directory = path_.parent_path();
  init.stop = stop_;
  const auto made = run_local_git(init);
  if (!made) return Error(made.error()).while_doing("making a repository");
  return {};
}

Result<void> GitRepository::prepare(bool long_ids) const {
  std::error_code ignored;
  // "HEAD" is the last that init writes but for the config, which is made whole or not at all.
  if (!fs::exists(path_ / "config", ignored)) {
    fs::remove_all(path_, ignored);
    return make(long_ids);
  }
  remove_leftovers();
  return {};
}

/// Nobody else writes now, so every lock and every half of a pack is a crashed one's.
void GitRepository::remove_leftovers() const {
  std::error_code ignored;
  std::vector<fs::path> leftovers;
  for (const auto* folder : {"", "objects/pack", kRefs})
    for (auto at = fs::directory_iterator(path_ / folder, ignored); at != fs::directory_iterator();
         at.increment(ignored)) {
      const auto name = at->path().filename().string();
      if (name.ends_with(".lock") || name.starts_with("tmp_") || name.starts_with(".tmp-"))
        leftovers.push_back(at->path());
    }
  for (const auto& path : leftovers) fs::remove(path, ignored);
}

/// Whether a pack was too large is to be seen by what there is of it: its writer is a child of
/// git's, which often does not say what that died of. Leaves no half of a pack behind.
Error GitRepository::failed_fetch(Error error) const {
  std::error_code ignored;
  const auto limit = program_.limits().fetch_bytes;
  for (auto at = fs::directory_iterator(path_ / "objects/pack", ignored);
       at != fs::directory_iterator(); at.increment(ignored)) {
    const auto bytes = at->file_size(ignored);
    if (!ignored && bytes >= limit && at->path().filename().string().starts_with("tmp_"))
      error = Error(Errc::kInvalid,
                    "the server sends more than the limit of " + std::to_string(limit) + " bytes");
  }
  remove_leftovers();
  return error;
}

Result<bool> GitRepository::has_commit(const std::string& commit) const {
  const auto answer =
      run_local_git(command({"cat-file", "--batch-check=%(objecttype)"}), commit + "^{tree}\n");
  if (!answer) return answer.error();
  return *answer == "tree\n";
}

Result<std::uint64_t> GitRepository::fetch(const GitSession& session, const std::string& commit,
                                           bool without_files) const {
  auto fetch = session.command(
      path_, {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
              "--depth=1", without_files ? "--filter=blob:none" : "--no-filter", "--", "origin",
              "+" + commit + ":" + kRefs + "/" + commit});
  fetch.stop = stop_;
  fetch.deadline = program_.limits().fetch;
  const auto before = packs().second;
  const auto fetched = session.run(fetch);
  if (!fetched) return failed_fetch(fetched.error());
  const auto bytes = packs().second - before;
  forget_old_commits();
  KILN_TRY(compact());
  return bytes;
}

Result<std::uint64_t> GitRepository::fetch_missing(const GitSession& session,
                                                   const std::vector<std::string>& objects) const {
  auto known = sizes(objects);
  if (!known) return std::move(known).error();
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < objects.size(); ++i)
    if (!(*known)[i]) missing.push_back(objects[i]);
  if (missing.empty()) return std::uint64_t{0};
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  auto fetch =
      session.command(path_, {"-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet",
                              "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
                              "--filter=blob:none", "--stdin", "--", "origin"});
  fetch.stop = stop_;
  fetch.deadline = program_.limits().fetch;
  const auto before = packs().second;
  const auto fetched = session.run(fetch, joined(missing));
  if (!fetched) return failed_fetch(fetched.error());
  return packs().second - before;
}

std::pair<std::size_t, std::uint64_t> GitRepository::packs() const {
  std::error_code ignored;
  std::pair<std::size_t, std::uint64_t> found{0, 0};
  for (auto at = fs::directory_iterator(path_ / "objects/pack", ignored);
       at != fs::directory_iterator(); at.increment(ignored)) {
    if (at->path().extension() != ".pack") continue;
    ++found.first;
    const auto bytes = at->file_size(ignored);
    if (!ignored) found.second += bytes;
  }
  return found;
}

/// Refs are only for what later fetches say that they have.
void GitRepository::forget_old_commits() const {
  FolderLimit limit;
  limit.max_files = kMaxCommits;
  forget_oldest_files(path_ / kRefs, limit);
}

Result<void> GitRepository::compact() const {
  if (packs().first <= kMaxPacks) return {};
  // Joins them as they are: what is compressed already is not compressed again.
  const auto joined_packs =
      run_local_git(command({"-c", "pack.window=0", "-c", "remote.origin.promisor=true", "repack",
                             "--quiet", "-a", "-d", "-k", "--no-write-bitmap-index"}));
  if (!joined_packs) return Error(joined_packs.error()).while_doing("joining packs");
  return {};
}

Result<std::int64_t> GitRepository::commit_time(const std::string& commit) const {
  const auto text = run_local_git(command({"log", "-1", "--format=%ct", commit, "--"}));
  if (!text) return text.error();
  // git says nothing of a tree or file, which a tag can lead to as well.
  if (text->empty()) return Error(Errc::kInvalid, "what the reference leads to is no commit");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc()) return not_understood("time of a commit");
  constexpr std::int64_t kYear9999 = 253402300799;
  return std::clamp<std::int64_t>(seconds, 0, kYear9999);
}

Result<std::string> GitRepository::tree_at(const std::string& commit,
                                           const std::string& path) const {
  if (path.empty()) return commit + "^{tree}";
  std::vector<std::string> parts;
  for (std::size_t at = 0; at != path.npos;) {
    at = path.find('/', at + 1);
    parts.push_back(path.substr(0, at));
  }
  std::vector<std::string> arguments = {"ls-tree", "-z", "-t", "--full-tree", commit, "--"};
  arguments.insert(arguments.end(), parts.begin(), parts.end());
  const auto listed = run_local_git(command(arguments));
  if (!listed) return listed.error();
  for (const auto& part : parts) {
    std::optional<TreeLine> found;
    for (std::string_view rest = *listed; !rest.empty() && !found;) {
      const auto line = parse_line(rest.substr(0, rest.find('\0')));
      rest.remove_prefix(std::min(rest.find('\0') + 1, rest.size()));
      if (line && line->path == part) found = line;
    }
    const auto shown = sanitize_server_text(part, kMaxPathBytes);
    if (!found) return Error(Errc::kNotFound, "subPath: the commit has no directory " + shown);
    if (found->type != "tree")
      return Error(Errc::kInvalid, "subPath: " + shown + " is " + std::string(noun(found->mode)));
    if (part == path) return std::string(found->object);
  }
  return not_understood("list of directories");
}

Result<std::string> GitRepository::file_at_root(const std::string& commit,
                                                const std::string& name) const {
  const auto listed = run_local_git(command({"ls-tree", "-z", "--full-tree", commit, "--", name}));
  if (!listed) return listed.error();
  const auto line = parse_line(std::string_view(*listed).substr(0, listed->find('\0')));
  const bool is_file = line && line->type == "blob" && line->mode != "120000" && line->path == name;
  return is_file ? std::string(line->object) : std::string();
}

Result<std::vector<GitTreeEntry>> GitRepository::list(const std::string& tree,
                                                      std::size_t limit) const {
  auto process = Process::start(command({"ls-tree", "-r", "-z", "--full-tree", tree}));
  if (!process) return std::move(process).error();
  MemorySource nothing("");
  TreeSink sink(limit);
  const auto status = process->exchange(nothing, sink);
  if (!status) return status.error();
  if (!status->ok()) return local_git_error(*status, process->errors());
  return sink.take();
}

Result<std::vector<std::optional<std::uint64_t>>> GitRepository::sizes(
    const std::vector<std::string>& blobs) const {
  std::vector<std::optional<std::uint64_t>> found;
  if (blobs.empty()) return found;
  found.reserve(blobs.size());
  const auto take = [&](std::string_view line) -> Result<void> {
    const auto header = parse_object_header(line);
    if (!header) return not_understood("line about an object");
    if (header->missing)
      found.emplace_back(std::nullopt);
    else if (header->type != "blob")
      return Error(Errc::kCorrupt, "an object of the repository is no file but a " + header->type);
    else
      found.emplace_back(header->size_bytes);
    return {};
  };
  LineSink sink(take);
  KILN_TRY(run_batch(command({"cat-file", "--batch-check", "--buffer"}), joined(blobs), sink));
  if (found.size() != blobs.size()) return not_understood("complete list of objects");
  return found;
}

Result<void> GitRepository::read(const std::vector<std::string>& blobs, std::size_t limit_bytes,
                                 Take take) const {
  if (blobs.empty()) return {};
  ObjectSink sink(limit_bytes, std::move(take));
  KILN_TRY(run_batch(command({"cat-file", "--batch", "--buffer"}), joined(blobs), sink));
  if (sink.count() != blobs.size()) return not_understood("complete answer about objects");
  return {};
}

Result<GitRepository::Settings> GitRepository::read_gitmodules(const std::string& blob) const {
  const auto text = run_local_git(
      command({"config", "--no-includes", "-z", "--list", "--blob", blob}), {}, kMaxModulesBytes);
  if (!text && text.error().code == Errc::kCorrupt)
    return Error(Errc::kInvalid, ".gitmodules is no configuration of git: " + text.error().message);
  if (!text) return Error(text.error()).while_doing("reading .gitmodules");
  Settings settings;
  for (std::string_view rest = *text; !rest.empty();) {
    const auto one = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    const auto line_break = std::min(one.find('\n'), one.size());
    settings.emplace_back(one.substr(0, line_break),
                          one.substr(std::min(line_break + 1, one.size())));
  }
  return settings;
}

}  // namespace kiln::source
