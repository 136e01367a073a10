#pragma once
#include "core/base/log.h"

namespace kiln::obs {

/// Changes the log level of the running program. Threads: any.
class LogSwitch {
 public:
  /// `configured` is the level of the flags.
  explicit LogSwitch(log::Level configured) : configured_(configured) {}

  /// To debug; or back to the configured level where more than that is already logged.
  void toggle_debug();
  void set(log::Level level);

 private:
  log::Level configured_;
};

}  // namespace kiln::obs
