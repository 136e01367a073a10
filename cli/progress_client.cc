#include "cli/progress_client.h"

#include <set>

#include "cli/terminal.h"
#include "core/base/log.h"

namespace kiln::cli {
namespace {

class CountingSink final : public ByteSink {
 public:
  CountingSink(ByteSink& next, std::shared_ptr<Bar> bar) : next_(next), bar_(std::move(bar)) {}
  Result<void> write(std::string_view bytes) override {
    if (bar_) bar_->add(bytes.size());
    return next_.write(bytes);
  }

 private:
  ByteSink& next_;
  std::shared_ptr<Bar> bar_;
};

class CountingSource final : public ByteSource {
 public:
  CountingSource(std::unique_ptr<ByteSource> next, std::shared_ptr<Bar> bar)
      : next_(std::move(next)), bar_(std::move(bar)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    auto count = next_->read(buffer);
    if (count) bar_->add(*count);
    return count;
  }

 private:
  std::unique_ptr<ByteSource> next_;
  std::shared_ptr<Bar> bar_;
};

/// Shows each warning once, and tells of limits before they are reached.
class Telling final : public registry::Listener {
 public:
  void warning(const std::string& registry, const std::string& words) override {
    constexpr std::size_t kMost = 100;
    if (shown_.size() < kMost && shown_.insert(registry + words).second)
      warn(registry + " says: " + words);
  }
  void rate_limit(const std::string& registry,
                  const registry::protocol::RateLimit& limit) override {
    log::debug("pulls left", {{"registry", registry},
                              {"remaining", std::to_string(limit.remaining)},
                              {"limit", std::to_string(limit.limit)}});
  }

 private:
  std::set<std::string> shown_;
};

/// Shows a bar from the moment the bytes are really read: a blob that is there already never is.
layer::Blob counted(const layer::Blob& blob) {
  auto bar = std::make_shared<std::weak_ptr<Bar>>();
  return layer::Blob(blob.descriptor(), [blob, bar]() -> Result<std::unique_ptr<ByteSource>> {
    auto source = blob.open();
    if (!source) return source;
    const auto& descriptor = blob.descriptor();
    auto shown = bar->lock();
    if (shown) shown->restart();
    if (!shown)
      shown = show_bar("  sending " + descriptor.digest.short_hex(), descriptor.size_bytes);
    if (!shown) return source;
    *bar = shown;
    return std::unique_ptr<ByteSource>(
        std::make_unique<CountingSource>(std::move(*source), std::move(shown)));
  });
}

}  // namespace

ProgressClient::ProgressClient(registry::Client& next)
    : next_(next), listener_(std::make_shared<Telling>()) {}

registry::Access ProgressClient::heard(registry::Access access) const {
  if (!access.listener) access.listener = listener_;
  return access;
}

Task<Result<void>> ProgressClient::fetch_blob_into(oci::Repository repository, oci::Descriptor blob,
                                                   registry::Access access, ByteSink& sink) {
  CountingSink counting(sink, show_bar("  getting " + blob.digest.short_hex(), blob.size_bytes));
  co_return co_await next_.fetch_blob_into(std::move(repository), std::move(blob),
                                           heard(std::move(access)), counting);
}

Task<Result<registry::PushResult>> ProgressClient::ensure_blob(
    oci::Repository repository, layer::Blob blob, std::optional<oci::Repository> mount_from,
    registry::Access access) {
  return next_.ensure_blob(std::move(repository), counted(blob), std::move(mount_from),
                           heard(std::move(access)));
}

}  // namespace kiln::cli
