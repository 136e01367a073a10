#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/build/builder.h"
#include "core/build/pusher.h"

namespace kiln::cli {

/// `--progress`: bars on a terminal and nothing in a pipe, plain lines, or nothing at all.
enum class Progress { kAuto, kPlain, kNone };

/// Chooses for this process; kAuto looks whether standard error is a terminal.
void set_progress(Progress progress);

/// One line of progress on standard error, or nothing.
void tell(std::string_view line);
void warn(std::string_view line);  ///< "warning: …" on standard error, always.
void fail(std::string_view line);  ///< "error: …" on standard error, always.

/// Bytes on their way, shown as a bar while it lives. Threads: any may add.
class Bar {
 public:
  Bar(std::string label, std::uint64_t total_bytes);
  ~Bar();  ///< Takes it off the screen; a line of what came through stays.
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;
  void add(std::uint64_t bytes) { done_ += bytes; }
  void restart() { done_ = 0; }  ///< The same bytes once more, after a broken connection.

 private:
  friend class Screen;
  std::string line(double seconds) const;
  std::string label_;
  std::uint64_t total_;
  std::atomic<std::uint64_t> done_{0};
  std::int64_t began_ms_;
};

/// A bar where this process shows bars, else nullptr. Shared: readers on other threads may hold it.
std::shared_ptr<Bar> show_bar(std::string label, std::uint64_t total_bytes);

/// Tells which layers a build made.
void tell_layers(const build::Assembled& assembled);

/// Tells what is sent and what was there already.
build::PushListener push_listener();

/// "1.2 MB", "640 B": decimal units, as registries count.
std::string human_bytes(std::uint64_t bytes);

/// "[=====>    ]", `width` characters between the brackets. Total 0 counts as done.
std::string bar_text(std::uint64_t done, std::uint64_t total, std::size_t width);

}  // namespace kiln::cli
