#include "cli/progress_client.h"

#include "cli/terminal.h"

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

Task<Result<void>> ProgressClient::fetch_blob_into(oci::Repository repository, oci::Descriptor blob,
                                                   registry::Access access, ByteSink& sink) {
  CountingSink counting(sink, show_bar("  getting " + blob.digest.short_hex(), blob.size_bytes));
  co_return co_await next_.fetch_blob_into(std::move(repository), std::move(blob),
                                           std::move(access), counting);
}

Task<Result<registry::PushResult>> ProgressClient::ensure_blob(
    oci::Repository repository, layer::Blob blob, std::optional<oci::Repository> mount_from,
    registry::Access access) {
  return next_.ensure_blob(std::move(repository), counted(blob), std::move(mount_from),
                           std::move(access));
}

}  // namespace kiln::cli
