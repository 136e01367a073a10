// Makes layers of generated content and prints what identifies them, one line each:
//
//   layer_digest --mib 16 --layers 4 --compression gzip --timestamps content --feed 65536
//   gzip content 0 diff_id=sha256:… digest=sha256:… encoder=igzip-2/1
//
// test_determinism.py compares these lines over CPUs, threads and sizes of writes.
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "core/base/work_pool.h"
#include "core/layer/layer.h"
#include "tests/determinism/generated_content.h"

namespace kiln::testing {
namespace {

struct Options {
  std::uint64_t mib = 16;
  std::uint64_t seed = 1;
  std::uint64_t layers = 1;
  std::size_t threads = 1;
  std::vector<std::string> compressions{"gzip", "gzip-small", "zstd"};
  std::vector<std::string> timestamps{"content"};
  std::string feed = "all";
};

/// Passes bytes on in pieces of other sizes than they came in.
class Cutter final : public ByteSink {
 public:
  /// `feed`: the size of each piece, or 0 for sizes from 1 to 200,000 that look arbitrary.
  Cutter(ByteSink& next, std::size_t feed) : next_(next), feed_(feed) { choose_size(); }

  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto part = bytes.substr(0, size_ - pending_.size());
      pending_.append(part);
      bytes.remove_prefix(part.size());
      if (pending_.size() == size_) KILN_TRY(flush());
    }
    return {};
  }

  Result<void> flush() {
    KILN_TRY(next_.write(pending_));
    pending_.clear();
    choose_size();
    return {};
  }

 private:
  void choose_size() { size_ = feed_ > 0 ? feed_ : 1 + numbers_.below(200'000); }

  ByteSink& next_;
  std::size_t feed_;
  std::size_t size_ = 0;
  std::string pending_;
  Numbers numbers_{7};
};

/// What make_layer does, but for the sizes of what the compressor is given.
Result<layer::Layer> make_cut_layer(const layer::FileTree& tree, const layer::LayerOptions& options,
                                    std::size_t feed) {
  const auto write = [&](ByteSink& tar) -> Result<void> {
    Cutter cutter(tar, feed);
    layer::TarWriter writer(cutter, options.timestamps);
    for (const auto& [path, entry] : tree.entries()) KILN_TRY(writer.add(entry));
    KILN_TRY(writer.finish());
    return cutter.flush();
  };
  return layer::compress_layer(write, options);
}

layer::TimestampPolicy policy_of(const std::string& name) {
  if (name == "epoch") return {layer::Timestamps::kEpoch, 0};
  if (name == "fixed") return {layer::Timestamps::kFixed, 1'700'000'000};
  return {layer::Timestamps::kContent, 0};
}

/// One layer to make, and the beginning of its line.
struct Job {
  std::string title;
  std::uint64_t seed;
  std::uint64_t size_bytes;
  std::string feed;
  layer::LayerOptions options{};

  /// The whole line.
  Result<std::string> operator()() const {
    const auto tree = generated_tree(seed, size_bytes);
    auto layer = feed == "all"
                     ? layer::make_layer(tree, options)
                     : make_cut_layer(tree, options, feed == "odd" ? 0 : std::stoul(feed));
    if (!layer) return std::move(layer).error().while_doing(title);
    return title + " diff_id=" + layer->diff_id.str() +
           " digest=" + layer->blob.descriptor().digest.str() +
           " encoder=" + layer::encoder_id(options.compression);
  }
};

std::vector<Job> jobs_of(const Options& options) {
  std::vector<Job> jobs;
  for (const auto& compression : options.compressions)
    for (const auto& timestamps : options.timestamps)
      for (std::uint64_t i = 0; i < options.layers; ++i) {
        std::string title = compression;
        title.append(" ").append(timestamps).append(" ").append(std::to_string(i));
        Job job{std::move(title), options.seed + i, (options.mib << 20) / options.layers,
                options.feed};
        job.options.compression = layer::parse_compression(compression).value();
        job.options.timestamps = policy_of(timestamps);
        jobs.push_back(std::move(job));
      }
  return jobs;
}

/// Lifetime: `pool` and `into` outlive the task.
Task<void> run(WorkPool* pool, Job job, Result<std::string>* into) {
  *into = co_await pool->run(std::move(job));
}

/// Makes all layers on `threads` threads at once. Answers the exit code.
int run_all(const Options& options) {
  const auto jobs = jobs_of(options);
  std::vector<Result<std::string>> lines(jobs.size());
  boost::asio::io_context io;
  WorkPool pool(options.threads);
  const auto rethrow = [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  };
  for (std::size_t i = 0; i < jobs.size(); ++i)
    boost::asio::co_spawn(io, run(&pool, jobs[i], &lines[i]), rethrow);
  io.run();
  for (const auto& line : lines) {
    if (line.has_error()) {
      std::cerr << "layer_digest: " << line.error().message << "\n";
      return 1;
    }
    std::cout << *line << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace kiln::testing

int main(int argc, char** argv) {  // NOLINT: an exception is a bug and may end it
  kiln::testing::Options options;
  CLI::App app("Makes layers of generated content and prints their digests.", "layer_digest");
  app.add_option("--mib", options.mib, "Content in all, in MiB");
  app.add_option("--seed", options.seed, "Another seed, other content");
  app.add_option("--layers", options.layers, "Layers that share the content")
      ->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "Layers made at once")->check(CLI::Range(1, 64));
  app.add_option("--compression", options.compressions, "gzip, gzip-small, zstd")->delimiter(',');
  app.add_option("--timestamps", options.timestamps, "content, epoch, fixed")
      ->delimiter(',')
      ->check(CLI::IsMember({"content", "epoch", "fixed"}));
  app.add_option("--feed", options.feed,
                 "Bytes in each write to the compressor: a number, odd, or all as they come");
  CLI11_PARSE(app, argc, argv);
  return kiln::testing::run_all(options);
}
