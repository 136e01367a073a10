#include "tests/integration/git/pack_writer.h"

#include <openssl/sha.h>
#include <zlib.h>

#include <stdexcept>

namespace kiln::source {
namespace {

constexpr int kBlob = 3;
constexpr int kDeltaByName = 7;

std::string deflated(std::string_view bytes) {
  auto size = ::compressBound(bytes.size());
  std::string out(size, '\0');
  if (::compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                  reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 1) != Z_OK)
    throw std::runtime_error("zlib failed");
  out.resize(size);
  return out;
}

std::string big_endian(std::size_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  return bytes;
}

/// Seven bits a byte, the lowest first.
std::string in_sevens(std::size_t number) {
  std::string bytes;
  for (; number >= 128; number >>= 7) bytes += static_cast<char>(128 | (number & 127));
  return bytes + static_cast<char>(number);
}

}  // namespace

void PackWriter::add(int type, std::size_t size, std::string_view before, std::string_view bytes) {
  const auto first = static_cast<char>(type << 4 | static_cast<int>(size & 15));
  objects_ +=
      size < 16 ? std::string(1, first) : static_cast<char>(128 | first) + in_sevens(size >> 4);
  objects_.append(before).append(deflated(bytes));
  ++count_;
}

void PackWriter::add_blob(std::string_view bytes) {
  add(kBlob, bytes.size(), "", bytes);
}

void PackWriter::add_copies(const std::string& base, std::size_t base_bytes, std::size_t times) {
  std::string id;
  for (std::size_t i = 0; i < base.size(); i += 2)
    id += static_cast<char>(std::stoi(base.substr(i, 2), nullptr, 16));
  std::string delta = in_sevens(base_bytes) + in_sevens(base_bytes * times);
  // "Copy", from 0, with three bytes of size.
  std::string copy(1, '\xf0');
  for (int shift = 0; shift < 24; shift += 8) copy += static_cast<char>(base_bytes >> shift);
  for (std::size_t i = 0; i < times; ++i) delta += copy;
  add(kDeltaByName, delta.size(), id, delta);
}

std::string PackWriter::finish() const {
  auto pack = "PACK" + big_endian(2) + big_endian(count_) + objects_;
  unsigned char hash[SHA_DIGEST_LENGTH];
  ::SHA1(reinterpret_cast<const unsigned char*>(pack.data()), pack.size(), hash);
  return pack.append(reinterpret_cast<const char*>(hash), sizeof hash);
}

}  // namespace kiln::source
