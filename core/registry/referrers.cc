#include "core/registry/referrers.h"

#include <algorithm>

#include "core/registry/protocol/endpoint.h"
#include "core/registry/protocol/error_body.h"
#include "core/registry/protocol/pagination.h"

namespace kiln::registry {
namespace {

constexpr std::uint64_t kMaxPageBytes = 8 * 1024 * 1024;
constexpr int kMaxPages = 64;
constexpr std::size_t kMaxEntries = 16 * 1024;

/// Web servers answer unknown paths with a page and 200: only what says that it is an index is one.
bool is_index(const http::Response& answer) {
  const auto type = answer.headers().get("Content-Type");
  return answer.status() == 200 &&
         oci::media_type::is_index(type.substr(0, type.find_first_of("; ")));
}

/// What registries without the API say (Q30).
bool is_unknown_path(const http::Response& answer) {
  const auto status = answer.status();
  return status == 200 || status == 400 || status == 404 || status == 405 || status == 406 ||
         status == 501;
}

void keep_only(oci::Index& index, const std::string& artifact_type) {
  if (artifact_type.empty()) return;
  std::erase_if(index.manifests,
                [&](const oci::Descriptor& entry) { return entry.artifact_type != artifact_type; });
}

}  // namespace

Task<Result<oci::Index>> Referrers::list(oci::Repository repository, oci::Digest subject,
                                         std::string artifact_type, Access access) {
  oci::Index all{std::string(oci::media_type::kOciIndex)};
  auto path = protocol::referrers_path(repository, subject, artifact_type);
  for (int pages = 0;; ++pages) {
    if (pages == kMaxPages)
      co_return Error(Errc::kInvalid, repository.str() + ": the list of referrers has more than " +
                                          std::to_string(kMaxPages) + " pages");
    Call get(repository, access, protocol::Scopes::pull(repository.path), "GET", path);
    get.headers.set("Accept", oci::media_type::kOciIndex);
    get.response_limit_bytes = kMaxPageBytes;
    auto answer = co_await transport_.send(std::move(get));
    if (!answer) co_return std::move(answer).error();
    if (!is_index(answer->response)) {
      if (pages > 0 || !is_unknown_path(answer->response))
        co_return protocol::error_from(answer->response, repository.str(), clock_.now());
      auto tagged_list = co_await list_by_tag(repository, subject, access);
      if (tagged_list) keep_only(*tagged_list, artifact_type);
      co_return tagged_list;
    }
    auto page = oci::Index::parse(answer->response.body);
    if (!page) co_return std::move(page).error().while_doing(repository.str());
    all.manifests.insert(all.manifests.end(), page->manifests.begin(), page->manifests.end());
    if (all.manifests.size() > kMaxEntries)
      co_return Error(Errc::kInvalid, repository.str() + ": the list of referrers has more than " +
                                          std::to_string(kMaxEntries) + " entries");
    auto next = protocol::next_page(answer->response.head);
    if (!next) co_return std::move(next).error();
    if (!next->has_value()) break;
    path = **next;
  }
  keep_only(all, artifact_type);  // Not every registry filters.
  co_return all;
}

/// The answer of the tag; nullopt when there is no such tag.
Task<Result<std::optional<http::Response>>> Referrers::tagged(oci::Repository repository,
                                                              oci::Digest subject, Access access,
                                                              protocol::Scopes scopes) {
  Call get(repository, access, std::move(scopes), "GET",
           protocol::manifest_path(repository, protocol::referrers_tag(subject)));
  get.headers.set("Accept", protocol::manifest_accept());
  get.response_limit_bytes = kMaxPageBytes;
  auto answer = co_await transport_.send(std::move(get));
  if (!answer) co_return std::move(answer).error();
  if (answer->status() == 404) co_return std::optional<http::Response>();
  if (answer->status() != 200)
    co_return protocol::error_from(answer->response, repository.str(), clock_.now());
  co_return std::optional<http::Response>(std::move(answer->response));
}

Task<Result<oci::Index>> Referrers::list_by_tag(oci::Repository repository, oci::Digest subject,
                                                Access access) {
  oci::Index none{std::string(oci::media_type::kOciIndex)};
  auto scopes = protocol::Scopes::pull(repository.path);
  auto answer = co_await tagged(std::move(repository), subject, access, std::move(scopes));
  if (!answer) co_return std::move(answer).error();
  if (!answer->has_value() || !is_index(**answer)) co_return none;
  auto index = oci::Index::parse((*answer)->body);
  if (!index) co_return none;  // The specification: then there are none.
  co_return index;
}

Task<Result<void>> Referrers::add(oci::Repository repository, protocol::Referrer referrer,
                                  Access access) {
  const auto tag = protocol::referrers_tag(referrer.subject);
  std::erase_if(writers_, [](const auto& writer) { return writer.second.expired(); });
  auto& known = writers_[repository.str() + ":" + tag];
  auto gate = known.lock();
  if (!gate) known = gate = std::make_shared<Gate>(1);
  const auto permit = co_await gate->enter();
  if (!permit) co_return permit.error();

  auto scopes = protocol::Scopes::push(repository.path);
  auto answer = co_await tagged(repository, referrer.subject, access, scopes);
  if (!answer) co_return std::move(answer).error();
  if (answer->has_value() && !is_index(**answer))
    co_return Error(Errc::kCorrupt, repository.str() + ":" + tag +
                                        " should hold the list of referrers and holds something "
                                        "else; delete that tag");
  auto list = protocol::with_entry(answer->has_value() ? (*answer)->body : "", referrer.entry);
  if (!list) co_return std::move(list).error().while_doing(repository.str() + ":" + tag);
  if (!list->has_value()) co_return Result<void>();

  Call put(repository, access, std::move(scopes), "PUT", protocol::manifest_path(repository, tag));
  put.headers.set("Content-Type", (*list)->media_type);
  put.body = http::Body((*list)->bytes);
  auto stored = co_await transport_.send(std::move(put));
  if (!stored) co_return std::move(stored).error();
  if (stored->status() >= 200 && stored->status() < 300) co_return Result<void>();
  co_return protocol::error_from(stored->response, repository.str() + ":" + tag, clock_.now());
}

}  // namespace kiln::registry
