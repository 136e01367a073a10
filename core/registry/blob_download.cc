#include "core/registry/blob_download.h"

#include <algorithm>
#include <vector>

#include "core/registry/protocol/endpoint.h"
#include "core/registry/protocol/error_body.h"

namespace kiln::registry {
namespace {

constexpr int kMaxRedirects = 5;
/// So much more than before counts as getting on.
constexpr std::uint64_t kProgress = 256 * 1024;

}  // namespace

BlobDownload::BlobDownload(Transport& transport, const Clock& clock, http::RetryPolicy policy,
                           oci::Repository repository, oci::Descriptor blob, Access access)
    : transport_(transport),
      clock_(clock),
      policy_(std::move(policy)),
      repository_(std::move(repository)),
      blob_(std::move(blob)),
      access_(std::move(access)) {
  if (access_.one_try) policy_.tries = 1;
}

std::string BlobDownload::subject() const {
  return repository_.str() + "@sha256:" + blob_.digest.short_hex();
}

Task<Result<BlobDownload::Part>> BlobDownload::open() {
  Call get(repository_, access_, protocol::Scopes::pull(repository_.path), "GET",
           protocol::blob_path(repository_, blob_.digest));
  get.max_redirects = kMaxRedirects;
  get.retried = false;
  const auto from = "bytes=" + std::to_string(got_bytes_) + "-";
  if (got_bytes_ > 0 && ranges_) get.headers.set("Range", from);
  auto answer = co_await transport_.open(std::move(get));
  if (!answer) co_return std::move(answer).error();
  Part part;
  if (answer->status() == 206) {
    const auto said = answer->headers().get("Content-Range");
    const auto wanted = "bytes " + std::to_string(got_bytes_) + "-";
    if (!said.starts_with(wanted)) {
      ranges_ = false;
      co_return Error(Errc::kUnavailable,
                      subject() + ": the registry sent another part than asked");
    }
  } else if (answer->stream) {
    part.known_bytes = got_bytes_;  // It begins at the beginning.
  } else {
    if (answer->status() == 416) {
      ranges_ = false;
      co_return Error(Errc::kUnavailable, subject() + ": the registry does not send parts");
    }
    co_return protocol::error_from(answer->response, subject(), clock_.now());
  }
  part.stream = std::move(answer->stream);
  co_return part;
}

Result<void> BlobDownload::take(std::string_view bytes, ByteSink& sink) {
  got_bytes_ += bytes.size();
  if (got_bytes_ > blob_.size_bytes) {
    over_ = true;
    return Error(Errc::kCorrupt, subject() + " is larger than the " +
                                     std::to_string(blob_.size_bytes) + " bytes it should have");
  }
  hash_.update(bytes);
  auto written = sink.write(bytes);
  over_ = written.has_error();
  return written;
}

Task<Result<void>> BlobDownload::go_on(
    ByteSink& sink) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  auto part = co_await open();
  if (!part) co_return std::move(part).error();
  std::vector<char> block(64 * 1024);
  for (;;) {
    const auto got = co_await part->stream->read(block);
    if (!got) co_return Error(got.error()).while_doing(subject());
    if (*got == 0) break;
    std::string_view bytes(block.data(), *got);
    const auto known = std::min<std::uint64_t>(part->known_bytes, bytes.size());
    part->known_bytes -= known;
    bytes.remove_prefix(static_cast<std::size_t>(known));
    if (!bytes.empty()) KILN_CO_TRY(take(bytes, sink));
  }
  co_return Result<void>();
}

Task<Result<void>> BlobDownload::into(
    ByteSink& sink) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  http::RetrySchedule schedule(policy_);
  std::uint64_t best = 0;
  for (;;) {
    const auto done = co_await go_on(sink);
    if (done) break;
    if (over_) co_return done;
    if (got_bytes_ >= best + kProgress) {
      best = got_bytes_;
      schedule = http::RetrySchedule(policy_);
    }
    const auto wait = schedule.after(done.error());
    if (!wait) co_return schedule.given_up(done.error());
    KILN_CO_TRY(co_await policy_.sleep(*wait));
  }
  if (got_bytes_ != blob_.size_bytes)
    co_return Error(Errc::kCorrupt, subject() + " has " + std::to_string(got_bytes_) +
                                        " bytes instead of " + std::to_string(blob_.size_bytes));
  if (hash_.finish_hex() != blob_.digest.hex())
    co_return Error(Errc::kCorrupt, subject() + ": the bytes do not match the digest");
  co_return Result<void>();
}

}  // namespace kiln::registry
