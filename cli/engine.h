#pragma once
#include <filesystem>
#include <functional>
#include <memory>

#include "controller/plan/git_content.h"
#include "core/base/clock.h"
#include "core/base/work_pool.h"
#include "core/build/builder.h"
#include "core/http/client.h"
#include "core/registry/client.h"

namespace kiln::cli {

/// Makes an HTTP client for a Unix-domain socket.
using LocalClients = std::function<std::unique_ptr<http::Client>(std::filesystem::path socket)>;

/// What every command of `kiln` works with, wired once by main, which owns all of it.
struct Engine {
  registry::Client& registry;
  WorkPool& pool;
  build::Builder& builder;
  const Clock& clock;
  LocalClients local_clients;
  plan::GitSources git;
  std::filesystem::path cache_dir{};  ///< "" = nothing is kept between runs.

  Engine(registry::Client& r, WorkPool& p, build::Builder& b, const Clock& c, LocalClients l,
         plan::GitSources g)
      : registry(r),
        pool(p),
        builder(b),
        clock(c),
        local_clients(std::move(l)),
        git(std::move(g)) {}
};

}  // namespace kiln::cli
