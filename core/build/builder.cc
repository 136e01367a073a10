#include "core/build/builder.h"

#include "core/build/assembler.h"
#include "core/build/base_cache.h"
#include "core/build/base_resolver.h"

namespace kiln::build {

struct Builder::Impl {
  Impl(registry::Client& client, WorkPool& pool, const Options& options)
      : registry(client),
        cache(client, pool, options.cache_dir, options.spool_dir),
        maker(pool, options.spool_dir) {}

  registry::Client& registry;
  BaseCache cache;
  LayerMaker maker;
};

Builder::Builder(registry::Client& registry, WorkPool& pool, Options options)
    : impl_(std::make_unique<Impl>(registry, pool, options)) {}

Builder::~Builder() = default;

Task<Result<std::vector<FetchedContent>>> Builder::fetch_content(
    std::shared_ptr<const BuildRequest> request) {
  std::vector<FetchedContent> all;
  for (std::size_t i = 0; i < request->content.size(); ++i) {
    const auto source = request->content[i].source;
    auto content = co_await source->fetch();
    if (!content)
      co_return std::move(content).error().while_doing("content[" + std::to_string(i) + "]");
    all.push_back(FetchedContent{std::move(*content), source->description()});
  }
  co_return all;
}

Task<Result<ResolvedBase>> Builder::resolve_base(std::shared_ptr<const BuildRequest> request) {
  return build::resolve_base(impl_->cache, impl_->registry, std::move(request));
}

Task<Result<Assembled>> Builder::assemble(
    std::shared_ptr<const BuildRequest> request, std::shared_ptr<const ResolvedBase> base,
    std::shared_ptr<const std::vector<FetchedContent>> content) {
  return build::assemble(impl_->cache, impl_->maker, std::move(request), std::move(base),
                         std::move(content));
}

}  // namespace kiln::build
