#include "controller/imagebuild/text_packer.h"

#include <zstd.h>

#include <new>
#include <stdexcept>

namespace kiln::imagebuild {
namespace {

constexpr int kLevel = 1;  // Higher ones take longer, and texts this short gain nothing from them.

template <class T, std::size_t (*release)(T*)>
struct Releaser {
  void operator()(T* it) const { release(it); }
};
template <class T, std::size_t (*release)(T*)>
using Owner = std::unique_ptr<T, Releaser<T, release>>;

std::size_t checked(std::size_t result) {
  if (ZSTD_isError(result))
    throw std::runtime_error(std::string("a kept text: ") + ZSTD_getErrorName(result));
  return result;
}

}  // namespace

struct TextPacker::Contexts {
  Owner<ZSTD_CCtx, ZSTD_freeCCtx> compressor{ZSTD_createCCtx()};
  Owner<ZSTD_DCtx, ZSTD_freeDCtx> decompressor{ZSTD_createDCtx()};
  Owner<ZSTD_CDict, ZSTD_freeCDict> packing;
  Owner<ZSTD_DDict, ZSTD_freeDDict> unpacking;

  explicit Contexts(std::string_view typical)
      : packing(ZSTD_createCDict(typical.data(), typical.size(), kLevel)),
        unpacking(ZSTD_createDDict(typical.data(), typical.size())) {
    if (!compressor || !decompressor || !packing || !unpacking) throw std::bad_alloc();
  }
};

TextPacker::TextPacker(std::string_view typical) : contexts_(std::make_unique<Contexts>(typical)) {}
TextPacker::~TextPacker() = default;
TextPacker::TextPacker(TextPacker&&) noexcept = default;
TextPacker& TextPacker::operator=(TextPacker&&) noexcept = default;

std::string TextPacker::pack(std::string_view text) const {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const auto size =
      checked(ZSTD_compress_usingCDict(contexts_->compressor.get(), packed.data(), packed.size(),
                                       text.data(), text.size(), contexts_->packing.get()));
  return std::string(packed.data(), size);  // A copy, which has no room to spare.
}

std::string TextPacker::unpack(std::string_view packed) const {
  const auto size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
    throw std::runtime_error("a kept text: it was not packed here");
  std::string text(size, '\0');
  const auto read =
      checked(ZSTD_decompress_usingDDict(contexts_->decompressor.get(), text.data(), text.size(),
                                         packed.data(), packed.size(), contexts_->unpacking.get()));
  if (read != size) throw std::runtime_error("a kept text: it ends early");
  return text;
}

}  // namespace kiln::imagebuild
