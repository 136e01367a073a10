#include "core/layer/block_deflater.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace kiln::layer {
namespace {

// The stored form (5 bytes for each 64 KiB) bounds what a block can grow to. ISA-L looks at the
// room it is given, so the room is part of the format: never change it without a new encoder id.
constexpr std::size_t kOutputBytes = kDeflateBlockBytes + 64 * 1024;

std::uint32_t gzip_crc(std::string_view bytes) {
  return crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

unsigned char* unconst(std::string_view bytes) {
  // Both libraries read only, but say so only in their comments.
  return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
}

/// Room to be written into. It is not filled with zeros: a short block touches little of it, and
/// the system need not find memory for the rest.
class Room {
 public:
  explicit Room(std::size_t size_bytes)
      : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(size_bytes)), size_(size_bytes) {}
  std::uint8_t* data() { return bytes_.get(); }
  std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_;
};

/// Where ISA-L's stream lies while it compresses a block. ISA-L 2.30 to 2.32 files the third byte
/// of a block under the hash of a register that nobody has set (igzip_icf_body_h1_gr_bt.asm, at
/// .write_first_byte), which holds the stream's address without its low 16 bits. Where that is
/// also the hash of one of the block's first strings, other bytes come out, so the stream is put
/// where it is of none.
class StreamPlaces {
 public:
  StreamPlaces() : room_(kPlaces * kStep + sizeof(isal_zstream)) {}

  /// A stream as if it were the first, for this block alone. Valid until the next call.
  isal_zstream* place_for(std::string_view block) {
    auto* place = room_.data();
    for (std::size_t i = 0; i < kPlaces && changes_bytes(place, block); ++i) place += kStep;
    return ::new (static_cast<void*>(place)) isal_zstream{};
  }

 private:
  static constexpr std::size_t kStep = 64 * 1024;  // Each place has a hash of its own.
  static constexpr std::size_t kPlaces = 8;
  static constexpr std::size_t kStrings = 3;       // Those that are filed beside it.
  static constexpr std::size_t kFinishBytes = 16;  // The last ones are handled by other code.
  static constexpr std::uint32_t kMaxHash = 0x7fff;
  static_assert(alignof(isal_zstream) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

  static bool changes_bytes(const void* place, std::string_view block) {
    if (block.size() <= kFinishBytes) return false;
    // As many hashes as isal_deflate_stateless() takes for so many bytes.
    const auto size = static_cast<std::uint32_t>(block.size());
    const auto mask = kMaxHash > 2 * size ? (1U << std::bit_width(size)) - 1 : kMaxHash;
    const auto address = reinterpret_cast<std::uintptr_t>(place);
    const auto of_place = hash_of(static_cast<std::uint32_t>(address >> 16)) & mask;
    for (std::size_t i = 0; i < kStrings; ++i) {
      std::uint32_t string = 0;
      std::memcpy(&string, block.data() + i, sizeof(string));
      if ((hash_of(string) & mask) == of_place) return true;
    }
    return false;
  }

  /// CRC-32C of four bytes, as the instruction has it.
  static std::uint32_t hash_of(std::uint32_t word) {
    for (int bit = 0; bit < 32; ++bit) word = (word >> 1) ^ (0x82f63b78U & (0U - (word & 1U)));
    return word;
  }

  Room room_;
};

/// What ISA-L works in. Nothing that is left in it by one block changes the bytes of the next.
struct IsalRooms {
  StreamPlaces places;
  // The level buffer's size decides where ISA-L ends its deflate blocks: part of the format, too.
  std::vector<std::uint8_t> level_buffer = std::vector<std::uint8_t>(ISAL_DEF_LVL2_DEFAULT);
  Room output{kOutputBytes};
};

/// Rooms that nobody works in. To a small layer, finding memory for them is most of the work.
class SpareRooms {
 public:
  static SpareRooms& all() {
    static SpareRooms rooms;
    return rooms;
  }

  std::unique_ptr<IsalRooms> take() {
    const std::lock_guard lock(mutex_);
    if (rooms_.empty()) return std::make_unique<IsalRooms>();
    auto taken = std::move(rooms_.back());
    rooms_.pop_back();
    return taken;
  }

  void give(std::unique_ptr<IsalRooms> rooms) {
    const std::lock_guard lock(mutex_);
    if (rooms_.size() < kMost) rooms_.push_back(std::move(rooms));
  }

 private:
  static constexpr std::size_t kMost = 2;  // Some 400 KiB each.

  std::mutex mutex_;
  std::vector<std::unique_ptr<IsalRooms>> rooms_;
};

/// Takes the rooms of one before it. Those that large blocks were in go back to the system.
class IsalDeflater final : public BlockDeflater {
 public:
  IsalDeflater() : rooms_(SpareRooms::all().take()) {}
  ~IsalDeflater() override {
    if (largest_bytes_ <= kSmallBytes) SpareRooms::all().give(std::move(rooms_));
  }
  IsalDeflater(const IsalDeflater&) = delete;
  IsalDeflater& operator=(const IsalDeflater&) = delete;

  Result<DeflatedBlock> deflate(std::string_view input) override {
    largest_bytes_ = std::max(largest_bytes_, input.size());
    auto* const stream = rooms_->places.place_for(input);
    isal_deflate_stateless_init(stream);
    stream->level = 2;
    stream->level_buf = rooms_->level_buffer.data();
    stream->level_buf_size = static_cast<std::uint32_t>(rooms_->level_buffer.size());
    stream->flush = FULL_FLUSH;
    stream->end_of_stream = 0;
    stream->gzip_flag = IGZIP_DEFLATE;
    stream->next_in = unconst(input);
    stream->avail_in = static_cast<std::uint32_t>(input.size());
    stream->next_out = rooms_->output.data();
    stream->avail_out = static_cast<std::uint32_t>(rooms_->output.size());
    const int code = isal_deflate_stateless(stream);
    if (code != COMP_OK || stream->avail_in != 0)
      return Error(Errc::kInternal,
                   "ISA-L could not compress a block (" + std::to_string(code) + ")");
    return DeflatedBlock{
        std::string(reinterpret_cast<const char*>(rooms_->output.data()), stream->total_out),
        gzip_crc(input), input.size()};
  }

 private:
  static constexpr std::size_t kSmallBytes = 128 * 1024;

  std::unique_ptr<IsalRooms> rooms_;
  std::size_t largest_bytes_ = 0;
};

class ZlibDeflater final : public BlockDeflater {
 public:
  ZlibDeflater() : output_(kOutputBytes) {
    ready_ = deflateInit2(&stream_, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~ZlibDeflater() override {
    if (ready_) deflateEnd(&stream_);
  }
  ZlibDeflater(const ZlibDeflater&) = delete;
  ZlibDeflater& operator=(const ZlibDeflater&) = delete;

  Result<DeflatedBlock> deflate(std::string_view input) override {
    if (!ready_ || deflateReset(&stream_) != Z_OK)
      return Error(Errc::kInternal, "zlib could not be set up");
    stream_.next_in = unconst(input);
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = output_.data();
    stream_.avail_out = static_cast<uInt>(output_.size());
    const int code = ::deflate(&stream_, Z_FULL_FLUSH);
    if (code != Z_OK || stream_.avail_in != 0 || stream_.avail_out == 0)
      return Error(Errc::kInternal,
                   "zlib could not compress a block (" + std::to_string(code) + ")");
    return DeflatedBlock{
        std::string(reinterpret_cast<const char*>(output_.data()), stream_.total_out),
        gzip_crc(input), input.size()};
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
  Room output_;
};

}  // namespace

std::unique_ptr<BlockDeflater> make_isal_deflater() {
  return std::make_unique<IsalDeflater>();
}
std::unique_ptr<BlockDeflater> make_zlib_deflater() {
  return std::make_unique<ZlibDeflater>();
}

std::string isal_probe_text() {
  // Words in an order that repeats, never quite: matches of many lengths and distances.
  static constexpr std::array<std::string_view, 8> kWords = {
      "layer ", "digest", "the quick brown fox ", "0123", "<div>", "\n", "e", "manifest/v1+json"};
  std::string text;
  std::uint32_t state = 20200101;
  while (text.size() < 200'000) {
    state = state * 1664525U + 1013904223U;
    text += kWords[(state >> 24) & 7];
    if ((state & 0xf0000) == 0) text += static_cast<char>(state >> 8);
  }
  return text;
}

std::uint32_t isal_probe_crc() {
  auto block = make_isal_deflater()->deflate(isal_probe_text());
  return block.has_error() ? 0 : gzip_crc(block->bytes);
}

bool isal_bytes_are_known() {
  static const bool known = isal_probe_crc() == kIsalProbeCrc;
  return known;
}

}  // namespace kiln::layer
