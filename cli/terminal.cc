#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

namespace kiln::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRedraw{100};
constexpr std::size_t kBarWidth = 24;
constexpr std::size_t kMaxBars = 8;

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

/// The one owner of standard error: lines scroll by above the bars, which a thread draws anew while
/// there are any.
class Screen {
 public:
  static Screen& instance() {
    static Screen screen;  // Not a service, but the terminal itself: there is one.
    return screen;
  }

  ~Screen() {
    {
      const std::scoped_lock lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    if (painter_.joinable()) painter_.join();
  }

  void choose(Progress progress) {
    const std::scoped_lock lock(mutex_);
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    lines_ = progress == Progress::kPlain || (progress == Progress::kAuto && terminal);
    bars_wanted_ = progress == Progress::kAuto && terminal;
  }

  bool shows_lines() {
    const std::scoped_lock lock(mutex_);
    return lines_;
  }
  bool shows_bars() {
    const std::scoped_lock lock(mutex_);
    return bars_wanted_;
  }

  void line(std::string_view text) {
    const std::scoped_lock lock(mutex_);
    wipe();
    std::cerr << text << '\n';
    draw();
  }

  void add(Bar* bar) {
    const std::scoped_lock lock(mutex_);
    bars_.push_back(bar);
    if (!painter_.joinable()) painter_ = std::thread([this] { paint(); });
    changed_.notify_all();
  }

  void remove(Bar* bar) {
    const std::scoped_lock lock(mutex_);
    wipe();
    std::erase(bars_, bar);
    draw();
  }

 private:
  void paint() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      if (bars_.empty()) {
        changed_.wait(lock);
        continue;
      }
      wipe();
      draw();
      changed_.wait_for(lock, kRedraw, [this] { return ending_; });
    }
  }

  void wipe() {
    if (drawn_ > 0) std::cerr << "\x1b[" << drawn_ << "A\x1b[J";
    drawn_ = 0;
  }

  void draw() {
    const auto width = terminal_width();
    for (const auto* bar : bars_) {
      if (drawn_ == kMaxBars) break;
      auto text = bar->line(static_cast<double>(now_ms() - bar->began_ms_) / 1000);
      std::cerr << text.substr(0, width - 1) << '\n';
      ++drawn_;
    }
    std::cerr << std::flush;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Bar*> bars_;  // Guarded by mutex_, as is all that follows.
  std::size_t drawn_ = 0;   // Lines of bars on the screen.
  bool lines_ = false;
  bool bars_wanted_ = false;
  bool ending_ = false;
  std::thread painter_;
};

Bar::Bar(std::string label, std::uint64_t total_bytes)
    : label_(std::move(label)), total_(total_bytes), began_ms_(now_ms()) {
  Screen::instance().add(this);
}

Bar::~Bar() {
  Screen::instance().remove(this);
}

std::string Bar::line(double seconds) const {
  const auto done = std::min(done_.load(), total_);
  auto text = label_ + "  " + bar_text(done, total_, kBarWidth) + "  " + human_bytes(done) + " / " +
              human_bytes(total_);
  if (seconds > 0.2)
    text +=
        "  " + human_bytes(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)) + "/s";
  return text;
}

std::shared_ptr<Bar> show_bar(std::string label, std::uint64_t total_bytes) {
  if (!Screen::instance().shows_bars()) return nullptr;
  return std::make_shared<Bar>(std::move(label), total_bytes);
}

void set_progress(Progress progress) {
  Screen::instance().choose(progress);
}

void tell(std::string_view line) {
  if (Screen::instance().shows_lines()) Screen::instance().line(line);
}

void warn(std::string_view line) {
  Screen::instance().line("warning: " + std::string(line));
}

void fail(std::string_view line) {
  Screen::instance().line("error: " + std::string(line));
}

void tell_layers(const build::Assembled& assembled) {
  for (const auto& layer : assembled.layers)
    tell("layer " + layer.blob.descriptor().digest.short_hex() + ": " +
         std::to_string(layer.files) + " files, " +
         human_bytes(layer.blob.descriptor().size_bytes));
}

build::PushListener push_listener() {
  return [](const build::PushEvent& event) {
    if (event.kind == build::PushEvent::Kind::kUploaded)
      tell("sent " + event.what + " (" + human_bytes(event.bytes) + ")");
    if (event.kind == build::PushEvent::Kind::kReused) tell("there already: " + event.what);
  };
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string bar_text(std::uint64_t done, std::uint64_t total, std::size_t width) {
  const auto share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto filled =
      static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  std::string text(filled, '=');
  if (filled < width) text += '>';
  text.resize(width, ' ');
  return "[" + text + "]";
}

}  // namespace kiln::cli
