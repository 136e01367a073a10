// What no builder of this image can do without, as seconds of one core, each by the libraries that
// Kiln uses and with nothing around it: reading the files, a checksum of each, the tar's and the
// compressed layer's SHA-256, compression.
//
//   bench_bound FOLDER     prints one line each: NAME VALUE
//
// first_build.py adds what the registry takes for the upload, and divides by the number of cores.
// What a tar's headers and sending take is left out, so the bound is a little lower than anything
// real.
#include <fcntl.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kBatchBytes = 64 << 20;
constexpr std::size_t kDeflateBytes = 1 << 20;  // Of each piece, as in Kiln's layers.
constexpr std::size_t kTarBlock = 512;

/// Of this process, user and system.
double cpu_s() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Costs {
  double read = 0;
  double checksums = 0;
  double tar_sha256 = 0;
  double compress = 0;
  double blob_sha256 = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t tar_bytes = 0;
  std::uint64_t blob_bytes = 0;
};

/// Adds the processor time of a piece of work to `sum`.
template <class Work>
void charge(double& sum, Work work) {
  const auto began = cpu_s();
  work();
  sum += cpu_s() - began;
}

/// A file of the tree, and where its bytes are in a batch's tar.
struct Member {
  std::size_t offset;
  std::size_t size;
};

class Hash {
 public:
  Hash() : context_(EVP_MD_CTX_new()) { begin(); }
  ~Hash() { EVP_MD_CTX_free(context_); }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;
  void begin() { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
  void update(std::string_view bytes) { EVP_DigestUpdate(context_, bytes.data(), bytes.size()); }
  void finish() { EVP_DigestFinal_ex(context_, sum_.data(), nullptr); }

 private:
  EVP_MD_CTX* context_;
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum_{};
};

/// ISA-L, level 2, each piece by itself; appends what it makes to `out`.
class Deflater {
 public:
  Deflater() : level_buffer_(ISAL_DEF_LVL2_DEFAULT), room_(kDeflateBytes + (64 << 10)) {}

  void deflate(std::string_view piece, std::string& out) {
    auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(piece.data()));
    isal_deflate_stateless_init(&stream_);
    stream_.level = 2;
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<std::uint32_t>(level_buffer_.size());
    stream_.flush = FULL_FLUSH;
    stream_.next_in = bytes;
    stream_.avail_in = static_cast<std::uint32_t>(piece.size());
    stream_.next_out = room_.data();
    stream_.avail_out = static_cast<std::uint32_t>(room_.size());
    if (isal_deflate_stateless(&stream_) != COMP_OK) throw std::runtime_error("ISA-L failed");
    crc_ = crc32_gzip_refl(crc_, bytes, piece.size());  // Which gzip ends with.
    out.append(reinterpret_cast<const char*>(room_.data()), stream_.total_out);
  }
  std::uint32_t crc() const { return crc_; }

 private:
  isal_zstream stream_{};
  std::vector<unsigned char> level_buffer_;
  std::vector<unsigned char> room_;
  std::uint32_t crc_ = 0;
};

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// As a builder has to: open, size, bytes, close. Answers the size.
std::size_t read_file(const std::string& path, std::string& out, std::size_t at) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (fd < 0 || fstat(fd, &facts) != 0) throw std::runtime_error("cannot read " + path);
  const auto size = static_cast<std::size_t>(facts.st_size);
  if (out.size() < at + size) out.resize(at + size);
  for (std::size_t have = 0; have < size;) {
    const auto count = read(fd, out.data() + at + have, size - have);
    if (count <= 0) throw std::runtime_error("cannot read all of " + path);
    have += static_cast<std::size_t>(count);
  }
  close(fd);
  return size;
}

/// Enough of a header that the tar compresses as a tar does.
void write_header(const std::string& path, std::size_t size, char* block) {
  std::fill_n(block, kTarBlock, '\0');
  const auto name = std::string_view(path).substr(path.size() > 99 ? path.size() - 99 : 0);
  std::copy(name.begin(), name.end(), block);
  std::snprintf(block + 100, 100, "0000644%c0000000%c0000000%c%011zo%c%011o", 0, 0, 0, size, 0,
                013405360000U + static_cast<unsigned>(size * 2654435761U & 0x3ffffffU));
  std::snprintf(block + 257, 9, "ustar%c00", 0);
}

/// Reads, checks, packs and compresses the tree batch by batch, so that all of it fits into memory.
Costs measure(const std::string& folder) {
  Costs costs;
  Hash file_hash;
  Hash tar_hash;
  Hash blob_hash;
  Deflater deflater;
  std::vector<std::string> paths;
  charge(costs.read, [&] { paths = files_below(folder); });
  std::string batch(kBatchBytes * 5 / 4, '\0');
  std::string blob;
  blob.reserve(kBatchBytes);
  for (std::size_t next = 0; next < paths.size();) {
    std::vector<Member> members;
    std::size_t end = 0;
    const auto first = next;
    charge(costs.read, [&] {
      while (next < paths.size() && end < kBatchBytes) {
        const auto at = end + kTarBlock;
        members.push_back({at, read_file(paths[next++], batch, at)});
        end = at + (members.back().size + kTarBlock - 1) / kTarBlock * kTarBlock;
      }
    });
    batch.resize(std::max(batch.size(), end));
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto [offset, size] = members[i];
      write_header(paths[first + i], size, batch.data() + offset - kTarBlock);
      const auto padding = (kTarBlock - size % kTarBlock) % kTarBlock;
      std::fill_n(batch.data() + offset + size, padding, '\0');
      costs.bytes += size;
    }
    const auto tar = std::string_view(batch).substr(0, end);
    charge(costs.checksums, [&] {
      for (const auto& [offset, size] : members) {
        file_hash.begin();
        file_hash.update(tar.substr(offset, size));
        file_hash.finish();
      }
    });
    charge(costs.tar_sha256, [&] { tar_hash.update(tar); });
    blob.clear();
    charge(costs.compress, [&] {
      for (std::size_t at = 0; at < end; at += kDeflateBytes)
        deflater.deflate(tar.substr(at, kDeflateBytes), blob);
    });
    charge(costs.blob_sha256, [&] { blob_hash.update(blob); });
    costs.files += members.size();
    costs.tar_bytes += end;
    costs.blob_bytes += blob.size();
  }
  return costs;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: bench_bound FOLDER");
  measure(argv[1]);  // The first time is the page cache's, and the memory's.
  const auto costs = measure(argv[1]);
  std::cout << "read " << costs.read << "\nchecksums " << costs.checksums << "\ntar_sha256 "
            << costs.tar_sha256 << "\ncompress " << costs.compress << "\nblob_sha256 "
            << costs.blob_sha256 << "\nfiles " << costs.files << "\nbytes " << costs.bytes
            << "\ntar_bytes " << costs.tar_bytes << "\nblob_bytes " << costs.blob_bytes << "\n";
} catch (const std::exception& error) {
  std::cerr << "bench_bound: " << error.what() << "\n";
  return 1;
}
