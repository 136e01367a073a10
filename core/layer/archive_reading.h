#pragma once
// Small pieces for reading with libarchive. Heavy: for .cc files of this folder only.
#include <archive.h>
#include <locale.h>

#include <memory>

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

}  // namespace kiln::layer
