#include "core/source/git_lfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/redact.h"
#include "core/base/sha256.h"

namespace kiln::source {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatch = 100;
constexpr std::size_t kChunkBytes = 1 << 20;
constexpr const char* kMediaType = "application/vnd.git-lfs+json";

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Error broken_pointer(std::string_view what) {
  return {Errc::kInvalid, "a pointer of Git LFS " + std::string(what)};
}

fs::path place_of(const fs::path& folder, const LfsPointer& file) {
  return folder / file.id.substr(0, 2) / file.id;
}

bool is_there(const fs::path& folder, const LfsPointer& file) {
  std::error_code failed;
  return fs::file_size(place_of(folder, file), failed) == file.size_bytes && !failed;
}

/// A file that grows beside its place, and takes it when it is what its id says.
class Incoming {
 public:
  static Result<std::shared_ptr<Incoming>> open(const fs::path& folder, const LfsPointer& file) {
    const auto place = place_of(folder, file);
    std::error_code ignored;
    fs::create_directories(place.parent_path(), ignored);
    auto name = place.string() + ".XXXXXX";
    UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd.valid()) return errno_error(errno, "cannot create a file in", place.parent_path());
    return std::make_shared<Incoming>(std::move(fd), std::move(name), file, place);
  }
  Incoming(UniqueFd fd, std::string name, LfsPointer file, fs::path place)
      : fd_(std::move(fd)),
        name_(std::move(name)),
        file_(std::move(file)),
        place_(std::move(place)) {}
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  Result<void> take(std::string_view bytes) {
    size_ += bytes.size();
    if (size_ > file_.size_bytes) return wrong("is larger");
    hash_.update(bytes);
    return FdSink(fd_.get()).write(bytes);
  }

  Result<void> finish() {
    if (size_ != file_.size_bytes) return wrong("is smaller");
    if (hash_.finish_hex() != file_.id) return wrong("has other bytes");
    if (::fsync(fd_.get()) != 0 || ::rename(name_.c_str(), place_.c_str()) != 0)
      return errno_error(errno, "cannot write", place_);
    name_.clear();
    return {};
  }

 private:
  Error wrong(std::string_view how) const {
    return {Errc::kInvalid, "what the LFS server sent for " + file_.id + " " + std::string(how) +
                                " than the repository says"};
  }

  UniqueFd fd_;
  std::string name_;  ///< "" once it has taken its place.
  LfsPointer file_;
  fs::path place_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

Error status_error(int status, const http::Url& url) {
  const auto where = "the LFS server " + url.redacted() + " ";
  if (status == 401)
    return {Errc::kUnauthorized,
            where + "does not take the credentials of secretRef, or wants some"};
  if (status == 403) return {Errc::kDenied, where + "forbids it (403)"};
  if (status == 404)
    return {Errc::kUnavailable, where + "is not there, or not for these credentials (404)"};
  if (status == 429) return {Errc::kRateLimited, where + "says that it is asked too often (429)"};
  return {Errc::kUnavailable, where + "answered with status " + std::to_string(status)};
}

http::Url batch_url(const GitUrl& url) {
  std::string_view path = url.path();
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::string git = path.ends_with(".git") ? "" : ".git";
  return url.http_url("").with_path(std::string(path) + git + "/info/lfs/objects/batch");
}

std::string batch_request(const std::vector<LfsPointer>& files) {
  auto objects = Json::array();
  for (const auto& file : files) objects.push_back({{"oid", file.id}, {"size", file.size_bytes}});
  return dump_json({{"operation", "download"},
                    {"transfers", {"basic"}},
                    {"hash_algo", "sha256"},
                    {"objects", std::move(objects)}});
}

/// The client certificate is for the repository's own server.
std::shared_ptr<const http::TlsOptions> tls_of(const GitServer& server, bool own_server) {
  auto tls = std::make_shared<http::TlsOptions>(server.credentials.tls());
  if (!own_server) tls->client_cert_pem = tls->client_key_pem = "";
  return tls;
}

}  // namespace

Result<std::optional<LfsPointer>> parse_lfs_pointer(std::string_view text) {
  constexpr std::string_view kVersion = "version https://git-lfs.github.com/spec/v1\n";
  if (!text.starts_with(kVersion)) return std::optional<LfsPointer>();
  text.remove_prefix(kVersion.size());
  LfsPointer pointer;
  bool sized = false;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto space = std::min(line.find(' '), line.size());
    const auto key = line.substr(0, space);
    const auto value = line.substr(std::min(space + 1, line.size()));
    if (key.starts_with("ext-"))
      return Error(Errc::kUnsupported, "a pointer of Git LFS uses extensions, which Kiln has not");
    if (key == "oid") {
      if (!value.starts_with("sha256:") || !is_sha256(value.substr(7)))
        return broken_pointer("names its file by something else than sha256");
      pointer.id = value.substr(7);
    }
    if (key == "size") {
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), pointer.size_bytes);
      sized = error == std::errc() && end == value.data() + value.size();
      if (!sized) return broken_pointer("has no size");
    }
  }
  if (pointer.id.empty()) return broken_pointer("names no file");
  if (!sized) return broken_pointer("has no size");
  return std::optional<LfsPointer>(std::move(pointer));
}

/// Where one file is to be had, and with which header fields.
struct LfsClient::Download {
  LfsPointer file;
  http::Url url;
  http::Headers headers{};
  std::optional<http::AddressKind> named_by{};  ///< Unset: on the repository's own server.

  Download(LfsPointer f, http::Url u) : file(std::move(f)), url(std::move(u)) {}
};

Task<Result<std::vector<LfsClient::Download>>> LfsClient::ask(
    std::shared_ptr<const GitServer> server, std::vector<LfsPointer> files) {
  const auto url = batch_url(server->url);
  http::Request request("POST", url);
  request.headers.set("Accept", kMediaType);
  request.headers.set("Content-Type", kMediaType);
  if (!server->credentials.authorization().empty())
    request.headers.set("Authorization", server->credentials.authorization());
  request.body = http::Body(batch_request(files));
  request.tls = tls_of(*server, true);
  request.replayable = true;
  auto response = co_await http_.send(std::move(request));
  if (!response) co_return std::move(response).error();
  if (response->status() != 200) co_return status_error(response->status(), url);
  const auto answer = parse_json(response->body);
  if (!answer) co_return Error(answer.error()).while_doing("the LFS server's answer");

  std::map<std::string, LfsPointer> wanted;
  for (const auto& file : files) wanted.emplace(file.id, file);
  std::vector<Download> downloads;
  const auto& objects = json_at(*answer, "objects");
  for (const auto& object : objects.is_array() ? objects : Json::array()) {
    const auto found = wanted.find(json_string(object, "oid"));
    if (found == wanted.end()) continue;
    const auto& action = json_at(json_at(object, "actions"), "download");
    const auto href = json_string(action, "href");
    if (href.empty())
      co_return Error(Errc::kNotFound, "the LFS server does not have the file " + found->first +
                                           ": push it with git lfs push --all");
    auto target = http::Url::parse(href);
    if (!target) co_return std::move(target).error().while_doing("the LFS server's address");
    if (!target->is_https() && url.is_https())
      co_return Error(Errc::kInvalid, "the LFS server names an address that is not https");
    Download download(found->second, std::move(*target));
    const auto& header = json_at(action, "header");
    if (header.is_object())
      for (const auto& [name, value] : header.items())
        download.headers.set(name, json_string(header, name));
    if (download.url.origin() != url.origin()) download.named_by = response->head.peer;
    downloads.push_back(std::move(download));
    wanted.erase(found);
  }
  if (!wanted.empty())
    co_return Error(Errc::kNotFound,
                    "the LFS server says nothing of the file " + wanted.begin()->first);
  co_return downloads;
}

Task<Result<void>> LfsClient::download(std::shared_ptr<const GitServer> server, Download what,
                                       fs::path folder) {
  http::Request request("GET", what.url);
  request.headers = std::move(what.headers);
  const auto& own = server->credentials.authorization();
  if (!what.named_by && !own.empty() && !request.headers.has("Authorization"))
    request.headers.set("Authorization", own);
  request.named_by = what.named_by;
  request.tls = tls_of(*server, !what.named_by);
  auto stream = co_await http_.open(std::move(request));
  if (!stream) co_return std::move(stream).error();
  if ((*stream)->head().status != 200) co_return status_error((*stream)->head().status, what.url);
  auto incoming = Incoming::open(folder, what.file);
  if (!incoming) co_return std::move(incoming).error();
  std::vector<char> chunk(kChunkBytes);
  for (bool more = true; more;) {
    std::size_t filled = 0;
    while (more && filled < chunk.size()) {
      const auto got = co_await (*stream)->read(std::span(chunk).subspan(filled));
      if (!got) co_return got.error();
      more = *got > 0;
      filled += *got;
    }
    auto take = [incoming = *incoming, bytes = std::string_view(chunk.data(), filled)] {
      return incoming->take(bytes);
    };
    KILN_CO_TRY(co_await pool_.run(std::move(take)));
  }
  auto finish = [incoming = *incoming] { return incoming->finish(); };
  co_return co_await pool_.run(std::move(finish));
}

Task<Result<std::uint64_t>> LfsClient::fetch(std::shared_ptr<const GitServer> server,
                                             std::vector<LfsPointer> files, fs::path folder) {
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  std::erase_if(files, [&](const auto& file) { return is_there(folder, file); });
  std::uint64_t bytes = 0;
  if (files.empty()) co_return bytes;
  if (server->url.is_ssh())
    co_return Error(Errc::kUnsupported,
                    "files of Git LFS are not fetched over ssh: write the https URL of the "
                    "repository");
  for (const auto& file : files)
    if (file.size_bytes > limits_.fetch_bytes)
      co_return Error(Errc::kInvalid, "a file of Git LFS has " + std::to_string(file.size_bytes) +
                                          " bytes, more than the limit of " +
                                          std::to_string(limits_.fetch_bytes));
  for (std::size_t first = 0; first < files.size(); first += kBatch) {
    const auto begin = files.begin() + static_cast<std::ptrdiff_t>(first);
    const auto count = static_cast<std::ptrdiff_t>(std::min(kBatch, files.size() - first));
    auto downloads = co_await ask(server, std::vector<LfsPointer>(begin, begin + count));
    if (!downloads) co_return std::move(downloads).error();
    for (auto& one : *downloads) {
      const auto size = one.file.size_bytes;
      KILN_CO_TRY(co_await download(server, std::move(one), folder));
      bytes += size;
    }
  }
  co_return bytes;
}

layer::FileContent lfs_content(const fs::path& folder, const LfsPointer& file,
                               std::shared_ptr<const void> keeper) {
  if (file.size_bytes == 0) return layer::FileContent(std::make_shared<const std::string>());
  return {file.size_bytes,
          [place = place_of(folder, file),
           keeper = std::move(keeper)]() -> Result<std::unique_ptr<ByteSource>> {
            auto fd = open_for_reading(place);
            if (!fd) return std::move(fd).error();
            return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(std::move(*fd)));
          }};
}

}  // namespace kiln::source
