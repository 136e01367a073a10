#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/io.h"
#include "core/base/program.h"

namespace kiln {

/// How a program ended.
struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< Not 0: it was killed by this signal, and there is no code.

  bool ok() const { return code == 0 && signal == 0; }
  std::string str() const;  ///< "exit code 2", "signal 9 (Killed)".
};

/// A running program: written to on its standard input, read from its standard output. What it says
/// on standard error is collected meanwhile (its end, where it is much).
///
/// When the program itself ends, the rest of its process group is killed: nothing is left behind
/// but what has made a session of its own. When the command's deadline passes or its stop is asked
/// for, the group gets SIGTERM, a second later SIGKILL, and whatever is called here answers
/// kTimeout or kCancelled from then on. The destructor does the same. No zombie stays.
///
/// Threads: one at a time; every call may block, so it is for the WorkPool.
class Process final : public ByteSource, public ByteSink {
 public:
  /// Errors: those of start_program().
  [[nodiscard]] static Result<Process> start(const Command& command);
  ~Process() override;
  Process(Process&&) noexcept;
  Process& operator=(Process&&) = delete;

  /// From its standard output; 0 once it has closed that or has ended.
  [[nodiscard]] Result<std::size_t> read(std::span<char> buffer) override;

  /// To its standard input. Errors: also kUnavailable when it reads no more; our process is not
  /// hurt by that. A program that answers while it reads must be read from in between: see
  /// exchange().
  [[nodiscard]] Result<void> write(std::string_view bytes) override;
  void close_input();

  /// Copies all of `input` in and all of its output out at the same time, until it ends. That it
  /// stops reading early is no error. Errors: also those of `input` and `output`; the program is
  /// then stopped. `input` should not block for long: no deadline holds in there.
  [[nodiscard]] Result<ExitStatus> exchange(ByteSource& input, ByteSink& output);

  /// Closes its input, drops what it still writes, and waits for its end.
  [[nodiscard]] Result<ExitStatus> wait();

  /// What it has said on standard error so far: the last 16 KiB at least.
  const std::string& errors() const;

 private:
  struct Impl;
  explicit Process(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What a program left when it had ended.
struct ProcessResult {
  ExitStatus status{};
  std::string output{};
  std::string errors{};  ///< See Process::errors().
};

/// Runs a program to its end. An exit code other than 0 is a result, not an error.
/// Errors: those of Process; kInvalid for more than `output_limit_bytes` on standard output.
[[nodiscard]] Result<ProcessResult> run_process(const Command& command, std::string_view input = {},
                                                std::uint64_t output_limit_bytes = 1024 * 1024);

}  // namespace kiln
