#include "core/source/git_client.h"

#include <algorithm>

#include "core/base/stoppable.h"
#include "core/source/git_cache.h"
#include "core/source/git_fetch.h"

namespace kiln::source {
namespace {

constexpr std::chrono::seconds kLookup{10};
constexpr std::chrono::milliseconds kJustAsked{10'000};
constexpr std::uint64_t kMaxRefsBytes = 64 << 20;

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

GitClient::GitClient(Options options, http::HostResolver& resolver, http::Client& http,
                     WorkPool& pool, const Clock& clock)
    : options_(std::move(options)),
      resolver_(resolver),
      http_(http),
      pool_(pool),
      clock_(clock),
      program_(options_.limits),
      tokens_(http, clock),
      refs_(clock) {}

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
  auto server = std::make_shared<GitServer>(url);
  server->credentials = std::move(credentials);
  KILN_CO_TRY(co_await find_way(server, named_by));
  if (const auto app = server->credentials.app()) {
    const auto token = co_await tokens_.token(app);
    if (!token) co_return token.error();
    server->credentials = server->credentials.with_app_token(*token);
  }
  co_return std::shared_ptr<const GitServer>(std::move(server));
}

/// The addresses that it may be reached at, or the proxy. What a proxy makes of a name nobody can
/// tell here, so with one the policy judges the name.
Task<Result<void>> GitClient::find_way(std::shared_ptr<GitServer> server,
                                       std::optional<http::AddressKind> named_by) {
  const auto& url = server->url;
  const auto peer = "cannot connect to " + url.host_port();
  const auto* proxy = url.is_ssh() ? nullptr : options_.proxies.proxy_for(url.http_url(""));
  if (proxy != nullptr) {
    const auto kind = options_.egress.check_name(url.host(), url.port(), named_by);
    if (!kind) co_return Error(kind.error()).while_doing(peer);
    server->kind = *kind;
    server->proxy = *proxy;
    co_return Result<void>();
  }
  auto addresses = co_await resolver_.resolve(url.host(), kLookup);
  if (!addresses) co_return std::move(addresses).error();
  std::optional<Error> denied;
  for (const auto& address : *addresses) {
    const auto kind = options_.egress.check(address, url.port(), named_by);
    if (!kind) denied = kind.error();
    if (!kind) continue;
    // Of several the most public: what others may be named is judged by it.
    if (server->addresses.empty() || *kind == http::AddressKind::kPublic) server->kind = *kind;
    server->addresses.push_back(address);
  }
  if (server->addresses.empty() && denied) co_return std::move(*denied).while_doing(peer);
  if (server->addresses.empty())
    co_return Error(Errc::kUnavailable, "the name " + url.host() + " has no address");
  co_return Result<void>();
}

void GitClient::tell(GitObserver::Work work, bool well,
                     std::chrono::steady_clock::time_point since) const {
  if (options_.observer != nullptr) options_.observer->did(work, well, clock_.steady_now() - since);
}

/// A token may end before its time, when the App is installed anew or its rights are changed.
void GitClient::forget_token_if_refused(const GitRequest& request, const Error& error) {
  const bool refused = error.code == Errc::kUnauthorized || error.code == Errc::kDenied;
  if (refused && request.credentials.app()) tokens_.forget(*request.credentials.app());
}

void GitClient::forget(const std::string& repository) {
  refs_.forget(repository);
}

Task<Result<GitClient::Refs>> GitClient::ask(GitRequest request) {
  const auto since = clock_.steady_now();
  auto refs = co_await ask_server(request);
  if (!refs) forget_token_if_refused(request, refs.error());
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

Task<Result<GitClient::Refs>> GitClient::list_refs(GitRequest request) {
  SharedAnswers<Refs>::Ask ask_now = [this, request] { return ask(request); };
  co_return co_await refs_.get(question(request), request.url.repository_name(), request.max_age,
                               std::move(ask_now));
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
  auto fetch = std::make_shared<GitFetch>(*this, request);
  auto content = co_await fetch->run();
  if (!content) forget_token_if_refused(request, content.error());
  tell(GitObserver::Work::kFetch, content.has_value(), since);
  if (options_.observer != nullptr) options_.observer->fetched(fetch->fetched_bytes());
  if (!content) co_return std::move(content).error().while_doing(url);
  co_return std::move(*content);
}

}  // namespace kiln::source
