#include "core/registry/blob_upload.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "core/registry/protocol/endpoint.h"
#include "core/registry/protocol/error_body.h"

namespace kiln::registry {
namespace {

/// Opens a blob and leaves out its first bytes.
Result<std::unique_ptr<ByteSource>> open_at(const layer::Blob& blob, std::uint64_t offset) {
  auto source = blob.open();
  if (!source) return source;
  std::array<char, 16 * 1024> block{};
  while (offset > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(offset, block.size()));
    const auto got = (*source)->read(std::span(block).first(want));
    if (!got) return got.error();
    if (*got == 0) return Error(Errc::kCorrupt, "a blob's content is shorter than its size");
    offset -= *got;
  }
  return source;
}

/// Hands out at most `size_bytes` of another source and tells a listener how far it got.
class PartSource final : public ByteSource {
 public:
  PartSource(std::unique_ptr<ByteSource> inner, std::uint64_t offset, std::uint64_t size_bytes,
             std::function<void(std::uint64_t)> tell)
      : inner_(std::move(inner)),
        at_(offset),
        end_(offset + size_bytes),
        told_(offset),
        tell_(std::move(tell)) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const auto want = std::min<std::uint64_t>(buffer.size(), end_ - at_);
    if (want == 0) return std::size_t{0};
    auto got = inner_->read(buffer.first(static_cast<std::size_t>(want)));
    if (!got) return got;
    at_ += *got;
    if (tell_ && (at_ - told_ >= kTellEvery || at_ == end_)) {
      told_ = at_;
      tell_(at_);
    }
    return got;
  }

 private:
  static constexpr std::uint64_t kTellEvery = 1024 * 1024;
  std::unique_ptr<ByteSource> inner_;
  std::uint64_t at_, end_, told_;
  std::function<void(std::uint64_t)> tell_;
};

/// The registry has thrown the session away: another one must be begun.
bool session_is_gone(const http::Response& answer) {
  const auto body = protocol::parse_error_body(answer.body);
  return answer.status() == 404 || body.has("BLOB_UPLOAD_UNKNOWN") ||
         body.has("BLOB_UPLOAD_INVALID");
}

bool is_unknown_way(const http::Response& answer) {
  const auto status = answer.status();
  return status == 405 || status == 415 || status == 501 ||
         protocol::parse_error_body(answer.body).has("UNSUPPORTED");
}

/// So much more at the registry than before counts as getting on.
constexpr std::uint64_t kProgress = 256 * 1024;

}  // namespace

BlobUpload::BlobUpload(Transport& transport, const Clock& clock, http::RetryPolicy policy,
                       std::shared_ptr<protocol::UploadPlan> plan, oci::Repository repository,
                       layer::Blob blob, Access access)
    : transport_(transport),
      clock_(clock),
      policy_(std::move(policy)),
      plan_(std::move(plan)),
      repository_(std::move(repository)),
      blob_(std::move(blob)),
      access_(std::move(access)) {}

std::string BlobUpload::subject() const {
  return repository_.str() + "@sha256:" + blob_.descriptor().digest.short_hex();
}

Call BlobUpload::call(http::Request prepared) const {
  Call call(repository_, access_, protocol::Scopes::push(repository_.path), prepared.method, "");
  call.prepared = std::move(prepared);
  call.retried = false;
  return call;
}

Task<Result<PushResult>> BlobUpload::run(std::optional<oci::Repository> mount_from) {
  if (mount_from && mount_from->registry == repository_.registry && *mount_from != repository_) {
    // Any failure of a mount is let pass (Q15): some registries answer it with 401 or 5xx.
    const auto mounted = co_await mount(*mount_from);
    if (mounted && *mounted) co_return PushResult::kMounted;
    if (mounted.has_error() && mounted.error().code == Errc::kCancelled) co_return mounted.error();
  }
  http::RetrySchedule schedule(policy_);
  std::uint64_t best = 0;
  for (;;) {
    turn_ = Turn::kRetry;
    Result<void> done;
    if (!session_) done = co_await begin();
    if (done) done = co_await send();
    if (done) co_return PushResult::kUploaded;
    if (done.error().code == Errc::kCancelled) co_return done.error();
    if (turn_ == Turn::kRetry) {
      const auto wait = schedule.after(done.error());
      if (!wait) {
        co_await give_up();
        co_return schedule.given_up(done.error());
      }
      KILN_CO_TRY(co_await policy_.sleep(*wait));
    }
    if (!session_) continue;
    const auto believed = held_bytes_;
    co_await find_out_where_it_stands();
    // Cut after the last byte: the answer was lost, not the blob.
    if (!session_ && co_await has_arrived()) co_return PushResult::kUploaded;
    if (held_bytes_ >= best + kProgress) {
      best = held_bytes_;
      schedule = http::RetrySchedule(policy_);
    }
    // Its place was right, so it is the chunk itself that the registry does not want.
    const auto chunk = std::exchange(misplaced_bytes_, 0);
    if (chunk > 0 && session_ && held_bytes_ == believed && !plan_->no_chunks() &&
        !plan_->too_large(chunk, session_->chunk_min_bytes())) {
      co_await give_up();
      co_return done.error();
    }
  }
}

Task<Result<bool>> BlobUpload::mount(oci::Repository from) {
  auto scopes = protocol::Scopes::push(repository_.path);
  scopes.add_all(protocol::Scopes::pull(from.path));
  // The path of a repository needs no escapes in a query, and "%2F" confuses some registries.
  Call post(repository_, access_, std::move(scopes), "POST",
            protocol::uploads_path(repository_) + "?mount=" + blob_.descriptor().digest.str() +
                "&from=" + from.path);
  post.retried = false;
  auto answer = co_await transport_.send(std::move(post));
  if (!answer) co_return answer.error();
  if (answer->status() == 201) {
    KILN_CO_TRY(check_digest(*answer));
    co_return true;
  }
  if (answer->status() == 202) {
    auto session = protocol::UploadSession::begin(answer->response.head);
    if (session) session_ = *std::move(session);
  }
  co_return false;
}

Task<Result<void>> BlobUpload::begin() {
  Call post(repository_, access_, protocol::Scopes::push(repository_.path), "POST",
            protocol::uploads_path(repository_));
  post.retried = false;
  auto answer = co_await transport_.send(std::move(post));
  if (!answer) co_return answer.error();
  if (answer->status() != 202)
    co_return protocol::error_from(answer->response, subject(), clock_.now());
  auto session = protocol::UploadSession::begin(answer->response.head);
  if (!session) co_return session.error();
  session_ = *std::move(session);
  held_bytes_ = 0;
  co_return Result<void>();
}

/// The next bytes after those that the registry holds.
http::Body BlobUpload::part(std::uint64_t size_bytes) const {
  if (size_bytes == 0) return {};
  std::function<void(std::uint64_t)> tell;
  if (access_.listener)
    tell = [listener = access_.listener, repository = repository_,
            blob = blob_.descriptor()](std::uint64_t sent) {
      listener->upload(repository, blob.digest, sent, blob.size_bytes);
    };
  const auto open = [blob = blob_, offset = held_bytes_, size_bytes,
                     tell = std::move(tell)]() -> Result<std::unique_ptr<ByteSource>> {
    auto source = open_at(blob, offset);
    if (!source) return source;
    return std::make_unique<PartSource>(*std::move(source), offset, size_bytes, tell);
  };
  return {size_bytes, open};
}

Task<Result<void>> BlobUpload::send() {
  const auto size = blob_.descriptor().size_bytes;
  for (;;) {
    const auto chunk = plan_->next_chunk(size, held_bytes_, session_->chunk_min_bytes());
    if (chunk == 0) co_return co_await put();
    auto sent = co_await patch(chunk);
    if (!sent) co_return sent;
  }
}

Task<Result<void>> BlobUpload::patch(std::uint64_t size_bytes) {
  auto request = session_->chunk(part(size_bytes), held_bytes_);
  auto answer = co_await transport_.send(call(std::move(request)));
  if (!answer) co_return answer.error();
  const auto status = answer->status();
  if (status < 200 || status >= 300) {
    if (status == 416) misplaced_bytes_ = size_bytes;
    co_return refused(answer->response, size_bytes, false);
  }
  // The chunk was taken, whatever Range says: some registries' stays behind (Q3).
  held_bytes_ += size_bytes;
  co_return session_->moved_by(answer->response.head);
}

Task<Result<void>> BlobUpload::put() {
  const auto& descriptor = blob_.descriptor();
  const auto left = descriptor.size_bytes - held_bytes_;
  const bool resumed = held_bytes_ > 0 && left > 0;
  auto request = resumed ? session_->finish_from(descriptor.digest, part(left), held_bytes_,
                                                 descriptor.size_bytes)
                         : session_->finish(descriptor.digest, part(left));
  auto answer = co_await transport_.send(call(std::move(request)));
  if (!answer) co_return answer.error();
  const auto status = answer->status();
  if (status >= 200 && status < 300) {
    session_.reset();
    co_return check_digest(*answer);
  }
  co_return refused(answer->response, left, true);
}

/// The error for a refusal, after what can be learnt from it. `whole`: in the closing PUT.
Error BlobUpload::refused(const http::Response& answer, std::uint64_t body_bytes, bool whole) {
  auto error = protocol::error_from(answer, subject(), clock_.now());
  bool other_way = false;
  if (answer.status() == 413 && body_bytes > 0)
    other_way = plan_->too_large(body_bytes, session_->chunk_min_bytes());
  else if (is_unknown_way(answer) && body_bytes > 0)
    other_way = whole ? plan_->no_whole() : plan_->no_chunks();
  if (other_way) {
    turn_ = Turn::kOtherWay;
    return error;
  }
  if (session_is_gone(answer)) {
    session_.reset();
    held_bytes_ = 0;
    error.code = Errc::kUnavailable;
  } else if (answer.status() == 416) {
    // It holds other bytes than we thought, as after a cut that the connection pool hid from us.
    error.code = Errc::kUnavailable;
  }
  return error;
}

/// After a cut: what arrived stays in the session (the same PUT again would be refused with 416).
Task<void> BlobUpload::find_out_where_it_stands() {
  auto answer = co_await transport_.send(call(session_->status()));
  const auto size = blob_.descriptor().size_bytes;
  if (answer && (answer->status() == 204 || answer->status() == 202 || answer->status() == 200)) {
    const auto held = protocol::UploadSession::held_bytes(answer->response.head);
    if (held && *held <= size && session_->moved_by(answer->response.head)) {
      held_bytes_ = *held;
      co_return;
    }
  }
  co_await give_up();
}

Task<bool> BlobUpload::has_arrived() {
  Call head(repository_, access_, protocol::Scopes::push(repository_.path), "HEAD",
            protocol::blob_path(repository_, blob_.descriptor().digest));
  head.retried = false;
  const auto answer = co_await transport_.send(std::move(head));
  co_return answer && answer->status() == 200;
}

Task<void> BlobUpload::give_up() {
  if (!session_) co_return;
  auto session = *std::move(session_);
  session_.reset();
  held_bytes_ = 0;
  const auto answer = co_await transport_.send(call(session.cancel()));
  if (!answer || answer->status() != 416) co_return;
  // Its Location tells an older state than the one it is in (distribution): ask for the newer one.
  const auto now = co_await transport_.send(call(session.status()));
  if (now && session.moved_by(now->response.head)) [[maybe_unused]]
    const auto ignored = co_await transport_.send(call(session.cancel()));
}

Result<void> BlobUpload::check_digest(const Answer& answer) const {
  const auto text = answer.headers().get("Docker-Content-Digest");
  const auto digest = oci::Digest::parse(text);
  if (!text.empty() && digest && *digest != blob_.descriptor().digest)
    return Error(Errc::kCorrupt, subject() + ": the registry stored " + digest->str() +
                                     " instead of " + blob_.descriptor().digest.str());
  return {};
}

}  // namespace kiln::registry
