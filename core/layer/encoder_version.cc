#include "core/layer/encoder_version.h"

#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include "core/layer/block_deflater.h"

namespace kiln::layer {

std::string encoder_version(Compression compression) {
  const auto id = encoder_id(compression);
  switch (compression) {
    case Compression::kGzip:  // ISA-L's bytes are looked at, whatever its version.
      return isal_bytes_are_known() ? id : id + " zlib " + zlibVersion();
    case Compression::kGzipSmall:
      return id + " libdeflate " LIBDEFLATE_VERSION_STRING;
    case Compression::kZstd:
      return id + " zstd " + ZSTD_versionString();
  }
  return id;
}

}  // namespace kiln::layer
