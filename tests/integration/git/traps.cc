#include "tests/integration/git/traps.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace kiln::source {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrograms[] = {
    "evil",    "git-evil",   "git-lfs", "git-remote-ext", "git-remote-evil",
    "ssh",     "plink",      "scp",     "ssh-askpass",    "git-credential-evil",
    "curl",    "wget",       "less",    "more",           "pager",
    "vi",      "editor",     "gpg",     "gpgsm",          "ssh-keygen",
    "make",    "python3",    "perl",    "rsync",          "git-upload-pack",
    "nc",      "socat",      "bash",    "fsmonitor",      "watchman",
    "npm",     "pre-commit", "husky",   "xdg-open",       "git-submodule",
    "sendmail"};
constexpr const char* kHooks[] = {"reference-transaction", "post-checkout",     "post-merge",
                                  "pre-auto-gc",           "post-index-change", "pre-commit",
                                  "fsmonitor-watchman",    "post-rewrite",      "update"};

void write_program(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, text, 0755).value();
}

}  // namespace

DecoyPrograms::DecoyPrograms() : folder_(std::move(TempDir::create("kiln-git-decoys-").value())) {
  const auto& folder = folder_.path();
  const auto script = "#!/bin/sh\necho \"$0 $*\" >> " + (folder / "marks").string() + "\nexit 1\n";
  for (const auto* name : kPrograms) write_program(folder / "bin" / name, script);
  for (const auto* name : kHooks) write_program(folder / "template/hooks" / name, script);
  write_file_atomically(folder / ".gitconfig", git_config()).value();
  fs::create_directories(folder / "git");
  write_file_atomically(folder / "git/config", git_config()).value();

  const char* path = std::getenv("PATH");
  set("PATH", (folder / "bin").string() + ":" + (path == nullptr ? "" : path));
  set("HOME", folder.string());
  set("XDG_CONFIG_HOME", folder.string());
  set("GIT_CONFIG_GLOBAL", (folder / ".gitconfig").string());
  set("GIT_CONFIG_SYSTEM", (folder / ".gitconfig").string());
  set("GIT_CONFIG_COUNT", "1");
  set("GIT_CONFIG_KEY_0", "core.fsmonitor");
  set("GIT_CONFIG_VALUE_0", program());
  set("GIT_CONFIG_PARAMETERS", "'core.fsmonitor'='" + program() + "'");
  set("GIT_TEMPLATE_DIR", (folder / "template").string());
  set("GIT_ALLOW_PROTOCOL", "ext:file:http:https:ssh:git");
  for (const auto* name :
       {"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_EDITOR", "EDITOR",
        "GIT_PAGER", "PAGER", "GIT_PROXY_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_SEQUENCE_EDITOR"})
    set(name, program());
  for (const auto* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"})
    set(name, "http://127.0.0.1:1");
}

DecoyPrograms::~DecoyPrograms() {
  for (const auto& [name, value, was_set] : before_)
    was_set ? ::setenv(name.c_str(), value.c_str(), 1) : ::unsetenv(name.c_str());
}

void DecoyPrograms::set(const std::string& name, const std::string& value) {
  const char* before = std::getenv(name.c_str());
  before_.push_back({name, before == nullptr ? "" : before, before != nullptr});
  ::setenv(name.c_str(), value.c_str(), 1);
}

std::string DecoyPrograms::git_config() const {
  const auto evil = program();
  return "[core]\nfsmonitor = " + evil + "\nsshCommand = " + evil + "\naskPass = " + evil +
         "\npager = " + evil + "\neditor = " + evil + "\nalternateRefsCommand = " + evil +
         "\ngitProxy = " + evil + "\nhooksPath = " + (folder_.path() / "template/hooks").string() +
         "\n[credential]\nhelper = " + evil + "\n[diff]\nexternal = " + evil +
         "\n[filter \"evil\"]\nclean = " + evil + "\nsmudge = " + evil + "\nprocess = " + evil +
         "\nrequired = true\n[filter \"lfs\"]\nsmudge = " + evil + "\nprocess = " + evil +
         "\n[gpg]\nprogram = " + evil +
         "\n[init]\ntemplateDir = " + (folder_.path() / "template").string() +
         "\n[protocol]\nallow = always\n" +
         "[protocol \"ext\"]\nallow = always\n[log]\nshowSignature = true\n" +
         "[uploadpack]\npackObjectsHook = " + evil + "\n[http]\nproxy = http://127.0.0.1:1\n" +
         "[url \"ext::" + evil + " \"]\ninsteadOf = http://\n[alias]\nfetch = !" + evil +
         "\n[remote \"origin\"]\nuploadpack = " + evil + "\nvcs = evil\n";
}

std::string DecoyPrograms::marks() const {
  const auto text = read_file(folder_.path() / "marks", 1 << 20);
  return text ? *text : "";
}

ForbiddenFile::ForbiddenFile()
    : folder_(std::move(TempDir::create("kiln-git-forbidden-").value())) {
  write_file_atomically(path(), kBytes, 0644).value();
  watch_ = UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch_.valid() || ::inotify_add_watch(watch_.get(), folder_.path().c_str(), IN_OPEN) < 0)
    throw std::runtime_error("inotify does not work here");
}

bool ForbiddenFile::was_opened() const {
  std::array<char, 4096> events;
  return ::read(watch_.get(), events.data(), events.size()) > 0;
}

}  // namespace kiln::source
