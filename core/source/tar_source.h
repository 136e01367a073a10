#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/base/work_pool.h"
#include "core/layer/tar_reader.h"
#include "core/source/source.h"

namespace kiln::source {

/// Content from a tar (plain, gzip or zstd), read once, front to back. The files' bytes are spooled
/// to a nameless file on the way, so that standard input will do. Modes, owners, times and xattrs
/// are the tar's; of entries with one name the last one wins. Of a file's hard links the first by
/// path becomes the file, so that the order of the tar does not matter. Whiteouts become
/// Content::removed and Content::emptied. Devices and FIFOs are refused by name.
class TarSource final : public Source {
 public:
  using Open = std::function<Result<std::unique_ptr<ByteSource>>()>;
  /// `description`: for messages, "site.tar". `open` is called once per fetch(), on the pool.
  /// `spool_dir` "" = $TMPDIR or /tmp. Lifetime: `pool` outlives the source.
  TarSource(std::string description, Open open, layer::ReadLimits limits, std::string spool_dir,
            WorkPool& pool);

  std::string description() const override { return description_; }
  /// Errors: those of layer::TarReader; kInvalid for what no content may hold.
  Task<Result<Content>> fetch() override;

 private:
  std::string description_;
  Open open_;
  layer::ReadLimits limits_;
  std::string spool_dir_;
  WorkPool& pool_;
};

}  // namespace kiln::source
