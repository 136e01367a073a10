#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/plan/git_content.h"
#include "core/source/git_source.h"
#include "core/source/inline_source.h"

namespace kiln::fakes {

/// Git servers in memory, behind plan::GitSources.
///
/// Not imitated: refs other than the one that is set (every request gets it), subPath, globs,
/// .kilnignore, submodules, LFS, executable bits, symlinks; credentials are recorded, not checked.
class FakeGit {
 public:
  struct Repository {
    std::map<std::string, std::string> files{};
    source::CommitFacts commit{};
    std::optional<Error> error{};  ///< What a fetch ends with, if anything.
  };

  Repository& repository(const std::string& url) { return repositories_[url]; }

  /// A new commit on `branch`; the commit's id is `digit`, 40 times.
  void push(const std::string& url, char digit, std::map<std::string, std::string> files,
            const std::string& branch = "main") {
    auto& one = repository(url);
    one.files = std::move(files);
    one.commit = {};
    one.commit.commit = std::string(40, digit);
    one.commit.branch = branch;
    one.commit.time = 1'700'000'000 + digit;
  }
  /// The same under a tag.
  void tag(const std::string& url, char digit, std::map<std::string, std::string> files,
           const std::string& tag) {
    push(url, digit, std::move(files), "");
    repository(url).commit.tag = tag;
  }

  plan::GitSources sources() {
    return [this](source::GitRequest request, std::size_t) -> std::shared_ptr<source::Source> {
      requests.push_back(request);
      return std::make_shared<FakeSource>(*this, std::move(request));
    };
  }

  std::vector<source::GitRequest> requests;  ///< All that were made, in order.
  int reads = 0;                             ///< How often files were read.

 private:
  class FakeSource final : public source::Source {
   public:
    FakeSource(FakeGit& git, source::GitRequest request)
        : git_(git), request_(std::move(request)) {}
    std::string description() const override { return "git " + request_.url.str(); }
    Task<Result<source::Content>> fetch() override {
      const auto found = git_.repositories_.find(request_.url.str());
      if (found == git_.repositories_.end())
        co_return Error(Errc::kUnavailable, "the server has no such repository");
      const auto& repository = found->second;
      if (repository.error) co_return *repository.error;
      const auto& label =
          repository.commit.branch.empty() ? repository.commit.tag : repository.commit.branch;
      const auto revision = label + "@" + source::object_digest(repository.commit.commit);
      if (request_.known && request_.known->revision == revision) {
        source::Content unread;
        unread.unread = true;
        unread.revision = revision;
        unread.identity = request_.known->identity;
        unread.commit = repository.commit;
        co_return unread;
      }
      ++git_.reads;
      std::vector<source::NamedFile> files;
      for (const auto& [name, text] : repository.files) files.emplace_back(name, text);
      source::InlineSource inner("fake", "", std::move(files));
      auto content = co_await inner.fetch();
      if (!content) co_return std::move(content).error();
      content->revision = revision;
      content->commit = repository.commit;
      co_return std::move(*content);
    }

   private:
    FakeGit& git_;
    source::GitRequest request_;
  };

  std::map<std::string, Repository> repositories_;
};

}  // namespace kiln::fakes
