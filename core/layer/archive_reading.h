#pragma once
// Small pieces for reading with libarchive. Heavy: for .cc files of this folder only.
#include <archive.h>
#include <locale.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/io.h"

namespace kiln::layer {

struct ArchiveDeleter {
  void operator()(archive* a) const { archive_read_free(a); }
};
using ArchivePtr = std::unique_ptr<archive, ArchiveDeleter>;

/// This thread speaks the C locale for a while: libarchive converts PAX names to the locale's
/// character set and in UTF-8 ones normalises them; in this one it leaves bytes as they are.
class PlainLocale {
 public:
  PlainLocale() : mine_(::newlocale(LC_ALL_MASK, "C", nullptr)), before_(::uselocale(mine_)) {}
  ~PlainLocale() {
    ::uselocale(before_);
    if (mine_ != nullptr) ::freelocale(mine_);
  }
  PlainLocale(const PlainLocale&) = delete;
  PlainLocale& operator=(const PlainLocale&) = delete;

 private:
  locale_t mine_;
  locale_t before_;
};

/// A libarchive reader on a source, plain, gzip or zstd. Another one unpacks before it, so that
/// what goes into the reader of headers can be counted, and what is compressed twice is refused.
/// Every call into it wants a PlainLocale.
class ArchiveInput {
 public:
  /// Lifetime: `source` must outlive this object.
  explicit ArchiveInput(ByteSource& source);
  ArchiveInput(const ArchiveInput&) = delete;
  ArchiveInput& operator=(const ArchiveInput&) = delete;

  /// `support_format`: archive_read_support_format_tar or another of its kind. Errors: check().
  [[nodiscard]] Result<void> open(int (*support_format)(archive*));

  /// What a code of libarchive means. Warnings are refused too (a malformed PAX record must not be
  /// skipped), but for the one about character sets, after which the name is there as it stands.
  /// Errors: the source's own; kCorrupt; kInvalid for a header that is too large.
  [[nodiscard]] Result<void> check(int code);

  /// archive_read_next_header on get(); ends with an error when that takes more than 8 MiB of the
  /// archive, since what libarchive makes of them stays in memory.
  int next_header(archive_entry** header);

  /// What next_header() read of the unpacked archive, from the entry's first extended header on.
  /// Valid until the next call into get().
  [[nodiscard]] Result<std::string_view> header_text();

  archive* get() { return archive_.get(); }
  std::uint64_t bytes_in() const { return bytes_in_; }  ///< Read from the source, or passed over.
  std::uint64_t bytes_out() const;                      ///< Unpacked of it.
  /// Once something was read: is the source neither gzip nor zstd?
  bool is_plain() const { return !unpacker_; }

  /// Reads what is left of the source, but no more than `limit_bytes` in all. Errors: the source's
  /// own; kInvalid.
  [[nodiscard]] Result<void> drain(std::uint64_t limit_bytes);

 private:
  static la_ssize_t feed(archive* a, void* self, const void** out);
  static la_int64_t pass_over(archive* a, void* self, la_int64_t bytes);
  static la_ssize_t feed_packed(archive* a, void* self, const void** out);
  la_ssize_t feed_unpacked(archive* a, const void** out);
  void let_go_of_chunk();
  void forget_what_was_used();
  void note_passed_over(std::uint64_t count);
  la_ssize_t fail(archive* a, Error error);
  Result<void> read_beginning();
  Result<void> open_unpacker();
  Result<void> check_unpacker(int code);

  ByteSource& source_;
  std::vector<char> buffer_;
  std::string_view beginning_;  ///< What was read to see what it is, until it is fed.
  std::uint64_t bytes_in_ = 0;
  bool in_header_ = false;
  std::size_t header_bytes_ = 0;  ///< Fed to archive_ since the header began.
  std::string_view chunk_;        ///< What was fed last; valid until the next is.
  std::string kept_;              ///< Fed before it: since the header began, or not used yet.
  std::uint64_t text_begin_ = 0;  ///< Where in the unpacked archive kept_ and chunk_ begin.
  std::string joined_;            ///< Both together, for header_text().
  Error error_{};                 ///< Of the source, of what unpacks it, or a limit.
  bool failed_ = false;
  ArchivePtr unpacker_;  ///< Null for a plain archive.
  ArchivePtr archive_;   // Last: goes first, as it reads from the rest.
};

}  // namespace kiln::layer
