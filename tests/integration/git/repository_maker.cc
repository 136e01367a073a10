#include "tests/integration/git/repository_maker.h"

#include <stdexcept>

namespace kiln::source {
namespace {

std::string run_git(const std::filesystem::path& folder, std::vector<std::string> arguments,
                    std::string_view input) {
  Command command("git", std::move(arguments));
  command.directory = folder;
  command.environment = {
      {"PATH", variable(own_environment(), "PATH")},
      {"HOME", "/nonexistent"},
      {"GIT_CONFIG_NOSYSTEM", "1"},
      {"GIT_DIR", "."},
      {"GIT_AUTHOR_NAME", "A"},
      {"GIT_AUTHOR_EMAIL", "a@example.com"},
      {"GIT_AUTHOR_DATE", "1700000000 +0100"},
      {"GIT_COMMITTER_NAME", "C"},
      {"GIT_COMMITTER_EMAIL", "c@example.com"},
      {"GIT_COMMITTER_DATE", "1700000001 +0100"},
  };
  auto result = run_process(command, input, 64 << 20);
  if (!result) throw std::runtime_error(result.error().message);
  if (!result->status.ok()) throw std::runtime_error("git: " + result->errors);
  if (result->output.ends_with('\n')) result->output.pop_back();
  return result->output;
}

std::string raw_id(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

}  // namespace

RepositoryMaker::RepositoryMaker(std::filesystem::path path, const std::string& object_format)
    : path_(std::move(path)) {
  std::filesystem::create_directories(path_);
  git({"init", "--quiet", "--bare", "--initial-branch=main", "--object-format=" + object_format,
       "."});
  git({"config", "uploadpack.allowFilter", "true"});
  git({"config", "http.receivepack", "true"});
}

std::string RepositoryMaker::git(const std::vector<std::string>& arguments,
                                 std::string_view input) const {
  return run_git(path_, arguments, input);
}

std::string RepositoryMaker::blob(std::string_view bytes) const {
  return git({"hash-object", "-w", "--stdin"}, bytes);
}

std::string RepositoryMaker::tree(const std::vector<Line>& lines) const {
  std::string input;
  for (const auto& line : lines)
    input += line.mode + " " + line.type + " " + line.object + "\t" + line.name + '\0';
  return git({"mktree", "-z", "--missing"}, input);
}

std::string RepositoryMaker::raw_tree(const std::vector<Line>& lines) const {
  std::string bytes;
  for (const auto& line : lines) bytes += line.mode + " " + line.name + '\0' + raw_id(line.object);
  return git({"hash-object", "-t", "tree", "-w", "--literally", "--stdin"}, bytes);
}

std::string RepositoryMaker::commit_tree(const std::string& tree, const std::string& parent) const {
  std::vector<std::string> arguments = {"commit-tree", "-m", "a commit", tree};
  if (!parent.empty()) arguments.insert(arguments.end(), {"-p", parent});
  return git(arguments);
}

void RepositoryMaker::set_ref(const std::string& name, const std::string& object) const {
  git({"update-ref", name, object});
}

std::string RepositoryMaker::commit(const Files& files, const std::string& branch) const {
  git({"read-tree", "--empty"});
  std::string index;
  for (const auto& [name, file] : files) {
    const auto object = file.mode == "160000" ? file.bytes : blob(file.bytes);
    index += file.mode + " " + object + "\t" + name + '\0';
  }
  git({"update-index", "-z", "--add", "--index-info"}, index);
  const auto tree = git({"write-tree", "--missing-ok"});
  const auto ref = "refs/heads/" + branch;
  const auto parent = git({"for-each-ref", "--format=%(objectname)", ref});
  const auto commit = commit_tree(tree, parent);
  set_ref(ref, commit);
  return commit;
}

void RepositoryMaker::tag(const std::string& name, const std::string& object,
                          bool annotated) const {
  if (annotated)
    git({"tag", "-f", "-a", "-m", "a tag", name, object});
  else
    git({"tag", "-f", name, object});
}

}  // namespace kiln::source
