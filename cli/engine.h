#pragma once
#include "core/base/clock.h"
#include "core/base/work_pool.h"
#include "core/build/builder.h"
#include "core/registry/client.h"

namespace kiln::cli {

/// What every command of `kiln` works with, wired once by main, which owns all of it.
struct Engine {
  registry::Client& registry;
  WorkPool& pool;
  build::Builder& builder;
  const Clock& clock;

  Engine(registry::Client& r, WorkPool& p, build::Builder& b, const Clock& c)
      : registry(r), pool(p), builder(b), clock(c) {}
};

}  // namespace kiln::cli
