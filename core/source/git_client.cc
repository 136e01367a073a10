#include "core/source/git_client.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/base/stoppable.h"
#include "core/source/git_cache.h"
#include "core/source/git_fetch.h"

namespace kiln::source {
namespace {

constexpr std::chrono::seconds kLookup{10};
constexpr std::chrono::milliseconds kJustAsked{10'000};
constexpr std::uint64_t kMaxRefsBytes = 64 << 20;
constexpr std::chrono::minutes kKeepAnswers{10};

std::vector<std::string> listing_arguments(const GitRef& ref) {
  std::vector<std::string> arguments = {"ls-remote", "--quiet"};
  switch (listing_for(ref)) {
    case RefListing::kBranches:
      arguments.insert(arguments.end(), {"--heads", "--", "origin"});
      break;
    case RefListing::kTags:
      arguments.insert(arguments.end(), {"--tags", "--", "origin"});
      break;
    case RefListing::kEverything:
      arguments.insert(arguments.end(), {"--", "origin", ref.name});
      break;
    default:
      arguments.insert(arguments.end(), {"--symref", "--", "origin", "HEAD"});
  }
  return arguments;
}

/// Who asks this asks the same.
std::string question(const GitRequest& request) {
  const auto listing = listing_for(request.ref);
  return request.url.str() + "\n" + std::to_string(static_cast<int>(listing)) + "\n" +
         (listing == RefListing::kEverything ? request.ref.name : "") + "\n" +
         request.credentials.fingerprint();
}

Result<std::shared_ptr<const RemoteRefs>> list_refs_of(const GitProgram& program,
                                                       const GitServer& server, const GitRef& ref,
                                                       std::stop_token stop) {
  auto session = GitSession::open(program, server);
  if (!session) return std::move(session).error();
  auto command = session->command("", listing_arguments(ref));
  command.stop = std::move(stop);
  command.deadline = program.limits().resolve;
  const auto listed = session->run(command, {}, kMaxRefsBytes);
  if (!listed) return listed.error();
  return std::make_shared<const RemoteRefs>(RemoteRefs::parse(*listed));
}

}  // namespace

/// A question that is on its way to a server.
struct GitClient::Flight {
  explicit Flight(const Executor& executor, std::chrono::steady_clock::time_point s)
      : done(executor, boost::asio::steady_timer::time_point::max()), started(s) {}
  boost::asio::steady_timer done;  ///< Cancelled when it has landed.
  std::chrono::steady_clock::time_point started;
  bool landed = false;
  std::optional<Result<Refs>> answer{};
};

/// What is known of one question.
struct GitClient::Asked {
  explicit Asked(std::string name) : repository(std::move(name)) {}
  std::string repository;  ///< Its repository_name().
  /// Questions that were sent no later than this do not count.
  std::optional<std::chrono::steady_clock::time_point> forgotten{};
  bool counts(std::chrono::steady_clock::time_point sent,
              std::chrono::steady_clock::time_point earliest) const {
    return sent >= earliest && (!forgotten || sent > *forgotten);
  }
  std::shared_ptr<Flight> flight{};              ///< Shared with all who wait for it.
  Refs refs{};                                   ///< The last answer.
  std::chrono::steady_clock::time_point when{};  ///< When that question was sent.
};

GitClient::GitClient(Options options, http::HostResolver& resolver, http::Client& http,
                     WorkPool& pool, const Clock& clock)
    : options_(std::move(options)),
      resolver_(resolver),
      http_(http),
      pool_(pool),
      clock_(clock),
      program_(options_.limits) {}

GitClient::~GitClient() = default;

Result<GitCache*> GitClient::cache() {
  const std::lock_guard lock(cache_mutex_);
  if (cache_) return cache_.get();
  auto folder = options_.cache_dir;
  if (folder.empty()) {
    auto own = TempDir::create("kiln-git-cache-");
    if (!own) return std::move(own).error();
    own_cache_dir_.emplace(std::move(*own));
    folder = own_cache_dir_->path();
  }
  auto opened = GitCache::open(folder, options_.limits.cache_bytes);
  if (!opened) return std::move(opened).error();
  cache_ = std::move(*opened);
  return cache_.get();
}

Task<Result<std::shared_ptr<const GitServer>>> GitClient::find_server(
    GitUrl url, GitCredentials credentials, std::optional<http::AddressKind> named_by) {
  if (url.is_ssh() && credentials.identity().empty())
    co_return Error(Errc::kUnauthorized,
                    "ssh to " + url.host_port() +
                        " needs a key: name a Secret with identity and known_hosts in secretRef");
  auto addresses = co_await resolver_.resolve(url.host(), kLookup);
  if (!addresses) co_return std::move(addresses).error();
  auto server = std::make_shared<GitServer>(url);
  server->credentials = std::move(credentials);
  std::optional<Error> denied;
  for (const auto& address : *addresses) {
    const auto kind = options_.egress.check(address, url.port(), named_by);
    if (!kind) denied = kind.error();
    if (!kind) continue;
    // Of several the most public: what others may be named is judged by it.
    if (server->addresses.empty() || *kind == http::AddressKind::kPublic) server->kind = *kind;
    server->addresses.push_back(address);
  }
  if (server->addresses.empty() && denied)
    co_return std::move(*denied).while_doing("cannot connect to " + url.host_port());
  if (server->addresses.empty())
    co_return Error(Errc::kUnavailable, "the name " + url.host() + " has no address");
  co_return std::shared_ptr<const GitServer>(std::move(server));
}

void GitClient::tell(GitObserver::Work work, bool well,
                     std::chrono::steady_clock::time_point since) const {
  if (options_.observer != nullptr) options_.observer->did(work, well, clock_.steady_now() - since);
}

void GitClient::forget(const std::string& repository) {
  for (const auto& [question, asked] : asked_)
    if (asked->repository == repository) asked->forgotten = clock_.steady_now();
}

Task<Result<GitClient::Refs>> GitClient::ask(GitRequest request) {
  const auto since = clock_.steady_now();
  auto refs = co_await ask_server(std::move(request));
  tell(GitObserver::Work::kAsk, refs.has_value(), since);
  co_return refs;
}

Task<Result<GitClient::Refs>> GitClient::ask_server(GitRequest request) {
  auto server = co_await find_server(request.url, request.credentials, std::nullopt);
  if (!server) co_return std::move(server).error();
  auto work = [program = program_, server = *server, ref = request.ref](std::stop_token stop) {
    return list_refs_of(program, *server, ref, std::move(stop));
  };
  co_return co_await run_stoppable(pool_, std::move(work));
}

/// An answer is good if the question was sent at the earliest `max_age` before now.
Task<Result<GitClient::Refs>> GitClient::list_refs(GitRequest request) {
  const auto key = question(request);
  const auto earliest = clock_.steady_now() - request.max_age;
  std::erase_if(asked_, [&](const auto& one) {
    return !one.second->flight && clock_.steady_now() - one.second->when > kKeepAnswers;
  });
  for (;;) {
    auto& slot = asked_[key];
    if (!slot) slot = std::make_shared<Asked>(request.url.repository_name());
    const auto asked = slot;
    if (asked->refs && asked->counts(asked->when, earliest)) co_return asked->refs;
    if (const auto flight = asked->flight) {
      boost::system::error_code woken;
      co_await flight->done.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, woken));
      if (!flight->landed) co_return Error(Errc::kCancelled, "cancelled");
      const bool is_error = flight->answer && flight->answer->has_error();
      if (is_error && asked->counts(flight->started, earliest) &&
          flight->answer->error().code != Errc::kCancelled)
        co_return flight->answer->error();
      continue;
    }
    const auto executor = co_await boost::asio::this_coro::executor;
    auto flight = std::make_shared<Flight>(executor, clock_.steady_now());
    asked->flight = flight;
    struct Landing {  // Also when this coroutine is destroyed: nobody waits for ever.
      std::shared_ptr<Asked> asked;
      std::shared_ptr<Flight> flight;
      ~Landing() {
        asked->flight.reset();
        flight->landed = true;
        flight->done.cancel();
      }
    };
    const Landing landing{asked, flight};
    auto refs = co_await ask(request);
    flight->answer = refs;
    if (!refs) co_return std::move(refs).error();
    asked->refs = *refs;
    asked->when = flight->started;
    co_return asked->refs;
  }
}

Task<Result<GitRevision>> GitClient::resolve(GitRequest request) {
  KILN_CO_TRY(check_git_ref(request.ref));
  if (listing_for(request.ref) == RefListing::kNothing) co_return RemoteRefs().find(request.ref);
  const auto ref = request.ref;
  auto refs = co_await list_refs(std::move(request));
  if (!refs) co_return std::move(refs).error();
  co_return (*refs)->find(ref);
}

Task<Result<std::optional<Content>>> GitClient::still_known(GitRequest request) {
  const auto known = *request.known;
  auto revision = co_await resolve(std::move(request));
  if (!revision) co_return std::move(revision).error();
  if (revision->str() != known.revision) co_return std::optional<Content>();
  Content content;
  content.revision = known.revision;
  content.identity = known.identity;
  content.unread = true;
  content.commit.emplace();
  content.commit->commit = revision->commit;
  content.commit->branch = revision->branch;
  content.commit->tag = revision->tag;
  co_return std::optional<Content>(std::move(content));
}

Task<Result<Content>> GitClient::fetch(GitRequest request) {
  const auto url = request.url.str();
  if (request.known) {
    auto known = co_await still_known(request);
    if (!known) co_return std::move(known).error().while_doing(url);
    if (*known) co_return std::move(**known);
    // That answer has just come; nobody need be asked twice.
    request.max_age = std::max(request.max_age, kJustAsked);
  }
  const auto since = clock_.steady_now();
  auto fetch = std::make_shared<GitFetch>(*this, std::move(request));
  auto content = co_await fetch->run();
  tell(GitObserver::Work::kFetch, content.has_value(), since);
  if (!content) co_return std::move(content).error().while_doing(url);
  co_return std::move(*content);
}

}  // namespace kiln::source
