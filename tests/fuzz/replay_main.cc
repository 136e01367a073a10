// Feeds every file of the folders it is given to one fuzzer, as an ordinary test: what was found
// once stays found, without clang and without minutes of fuzzing.
//
// Fails when there is nothing to feed, and when an input takes more memory than any may.
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// The same as run.py gives to libFuzzer; sanitizers need a part of it for themselves.
constexpr long kMemoryLimitKb = 1024 * 1024;

std::vector<std::filesystem::path> files_in(const std::vector<std::string>& folders) {
  std::vector<std::filesystem::path> files;
  for (const auto& folder : folders)
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void feed(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(stream), {});
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

long peak_kb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

int main(int argc, char** argv) {
  const auto files = files_in({argv + 1, argv + argc});
  for (const auto& file : files) {
    std::fprintf(stderr, "%s\n", file.c_str());  // The last line tells which one it was.
    feed(file);
    if (peak_kb() > kMemoryLimitKb) {
      std::fprintf(stderr, "took more than %ld MiB\n", kMemoryLimitKb / 1024);
      return 1;
    }
  }
  std::fprintf(stderr, "%zu inputs, %ld MiB at most\n", files.size(), peak_kb() / 1024);
  return files.empty() ? 1 : 0;
}
