#include "core/source/git_objects.h"

#include <algorithm>

#include "core/source/git_batch.h"

namespace kiln::source {
namespace {

using std::chrono::steady_clock;

// A program ends with its deadline; one that may be about to is not used again.
constexpr std::chrono::minutes kDeadline{60};
constexpr std::chrono::minutes kMaxAge{5};
constexpr std::size_t kMaxIdle = 2;
constexpr std::size_t kMaxHeaderBytes = 256;
constexpr std::size_t kBlockBytes = 64 * 1024;

/// The header of an answer. What has come behind it, which belongs to the same object because
/// nothing else was asked for, stays in `pending`.
Result<std::string> read_header(Process& process, std::string& pending) {
  std::vector<char> block(kBlockBytes);
  for (;;) {
    if (const auto end = pending.find('\n'); end != pending.npos) {
      auto line = pending.substr(0, end);
      pending.erase(0, end + 1);
      return line;
    }
    auto got = process.read(block);
    if (!got) return std::move(got).error();
    if (*got == 0 || pending.size() > kMaxHeaderBytes) break;
    pending.append(block.data(), *got);
  }
  const auto status = process.wait();
  if (!status) return status.error();
  return local_git_error(*status, process.errors());
}

}  // namespace

/// One blob on its way out of a program. The program is of use again once all of it was read.
class GitObjects::Reader final : public ByteSource {
 public:
  /// `pending`: what was read of it already.
  Reader(std::shared_ptr<GitObjects> owner, Idle program, std::string pending,
         std::uint64_t size_bytes)
      : owner_(std::move(owner)),
        program_(std::move(program)),
        pending_(std::move(pending)),
        left_(size_bytes) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    if (wanted == 0) return std::size_t{0};
    auto got = read_some(buffer.first(wanted));
    if (!got) return fail(std::move(got).error());
    if (*got == 0) return fail(Error(Errc::kCorrupt, "git ended within a file"));
    left_ -= *got;
    if (left_ == 0) KILN_TRY(finish());
    return got;
  }

 private:
  Result<std::size_t> read_some(std::span<char> buffer) {
    if (offset_ == pending_.size()) return program_->process.read(buffer);
    const auto count = std::min(buffer.size(), pending_.size() - offset_);
    std::copy_n(pending_.data() + offset_, count, buffer.data());
    offset_ += count;
    return count;
  }

  /// A line break follows each object.
  Result<void> finish() {
    char line_break = 0;
    auto got = read_some(std::span(&line_break, 1));
    if (!got) return fail(std::move(got).error());
    if (*got == 0 || line_break != '\n' || offset_ != pending_.size())
      return fail(Error(Errc::kCorrupt, "git answered more than a file"));
    owner_->give_back(std::move(*program_));
    program_.reset();
    return {};
  }

  Error fail(Error error) {
    program_.reset();
    left_ = 0;
    return owner_->broken(std::move(error));
  }

  std::shared_ptr<GitObjects> owner_;  // Shared with the contents of all its files.
  std::optional<Idle> program_;
  std::string pending_;
  std::size_t offset_ = 0;  ///< Into `pending_`.
  std::uint64_t left_;
};

layer::FileContent GitObjects::content_of(std::string blob, std::uint64_t size_bytes) {
  if (size_bytes == 0) return layer::FileContent(std::make_shared<const std::string>());
  return {size_bytes, [self = shared_from_this(), blob = std::move(blob), size_bytes] {
            return self->open(blob, size_bytes);
          }};
}

Error GitObjects::broken(Error error) const {
  if (error.code == Errc::kCorrupt) entry_->suspect();
  return error;
}

Result<std::unique_ptr<ByteSource>> GitObjects::open(const std::string& blob,
                                                     std::uint64_t size_bytes) {
  auto program = take();
  if (!program) return std::move(program).error();
  if (auto asked = program->process.write(blob + "\n"); !asked) {
    const auto status = program->process.wait();
    return broken(status ? local_git_error(*status, program->process.errors())
                         : std::move(asked).error());
  }
  std::string pending;
  const auto line = read_header(program->process, pending);
  if (!line) return broken(line.error());
  const auto header = parse_object_header(*line);
  if (!header || header->missing || header->type != "blob" || header->size_bytes != size_bytes)
    return broken(Error(Errc::kCorrupt, "the file " + blob + " is not in the repository any more"));
  return std::unique_ptr<ByteSource>(std::make_unique<Reader>(
      shared_from_this(), std::move(*program), std::move(pending), size_bytes));
}

Result<GitObjects::Idle> GitObjects::take() {
  std::vector<Idle> too_old;  // Ends after the lock.
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      auto last = std::move(idle_.back());
      idle_.pop_back();
      if (steady_clock::now() - last.born < kMaxAge) return last;
      too_old.push_back(std::move(last));
    }
  }
  auto command = program_.command(entry_->repository(), {"cat-file", "--batch"});
  command.deadline = kDeadline;
  auto process = Process::start(command);
  if (!process) return std::move(process).error();
  return Idle{std::move(*process), steady_clock::now()};
}

void GitObjects::give_back(Idle idle) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(idle));
}

}  // namespace kiln::source
