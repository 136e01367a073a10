#include "core/build/builder.h"

#include "core/base/shelf.h"
#include "core/build/assembler.h"
#include "core/build/base_cache.h"
#include "core/build/base_trees.h"
#include "core/build/content_cache.h"
#include "core/build/image_loader.h"
#include "core/build/registry_reader.h"

namespace kiln::build {
namespace {

ResolvedImage scratch_base(const BuildRequest& request) {
  ResolvedImage base;
  auto platforms = request.base.platforms;
  if (platforms.empty()) platforms.push_back(oci::Platform{"linux", "amd64"});
  for (const auto& platform : platforms) {
    auto image = image::Image::scratch(platform, request.created, request.docker_media_types);
    auto manifest = image.manifest().descriptor();
    base.platforms.push_back(PlatformImage{platform, std::move(manifest), std::move(image)});
  }
  return base;
}

// As texts: what is read from them takes some times as much.
constexpr std::uint64_t kMaxBaseBytes = 512 * 1024;
constexpr std::size_t kMaxBases = 64;

/// Of all that an index, a manifest and a config can make large.
std::uint64_t weight_of(const ResolvedImage& base) {
  std::uint64_t bytes = 0;
  for (const auto& platform : base.platforms)
    bytes += platform.image.config().to_json().size() + platform.image.manifest().bytes.size();
  for (const auto& [name, value] : base.annotations) bytes += name.size() + value.size();
  for (const auto& warning : base.warnings) bytes += warning.size();
  return bytes;
}

class CachedImageContent final : public source::Source {
 public:
  CachedImageContent(ContentCache& cache, ImageContentRequest request)
      : cache_(cache), request_(std::move(request)) {}

  std::string description() const override { return "image " + request_.reference.str(); }
  Task<Result<source::Content>> fetch() override { return cache_.fetch(request_); }

 private:
  ContentCache& cache_;
  ImageContentRequest request_;
};

}  // namespace

struct Builder::Impl {
  Impl(registry::Client& client, WorkPool& pool, const Options& options)
      : registry(client),
        spool_dir(options.spool_dir),
        cache(client, pool, options.clock != nullptr ? *options.clock : system_clock,
              options.cache_dir, options.spool_dir),
        trees(cache, pool, options.clock != nullptr ? *options.clock : system_clock),
        contents(cache, client, pool, options.clock != nullptr ? *options.clock : system_clock,
                 options.spool_dir),
        records(std::make_shared<LayerRecords>(options.recall_layers && !options.cache_dir.empty()
                                                   ? options.cache_dir / "layer-records"
                                                   : std::filesystem::path())),
        maker(pool, options.spool_dir, options.watch_layers, records),
        bases(kMaxBaseBytes, kMaxBases) {}

  registry::Client& registry;
  SystemClock system_clock;
  std::string spool_dir;
  BaseCache cache;
  BaseTrees trees;
  ContentCache contents;
  std::shared_ptr<LayerRecords> records;  // Layers that were found by them may outlive this.
  LayerMaker maker;
  Shelf<ResolvedImage> bases;  ///< That were read. Copies share the configs.
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
    if (!content) co_return std::move(content).error().while_doing(name_of_content(*request, i));
    all.push_back(FetchedContent{std::move(*content), source->description()});
  }
  co_return all;
}

Task<Result<ResolvedImage>> Builder::resolve_base(std::shared_ptr<const BuildRequest> request) {
  const auto& base = request->base;
  if (base.reader) co_return co_await load_image(*base.reader, base.platforms);
  if (!base.reference) co_return scratch_base(*request);
  const auto from_registry = registry_reader(impl_->cache, impl_->registry, *base.reference,
                                             base.access, impl_->spool_dir, base.max_age);
  auto top = co_await from_registry->top();
  if (!top) co_return std::move(top).error();
  // With its repository: who may read one may not read another.
  auto name = base.reference->repository().str() + "@" + top->digest.str();
  for (const auto& platform : base.platforms) name += " " + platform.str();
  if (const auto* known = impl_->bases.find(name)) co_return *known;
  auto loaded = co_await load_image(*from_registry, std::move(*top), base.platforms);
  if (!loaded) co_return loaded;
  const auto weight = weight_of(*loaded);
  if (weight <= kMaxBaseBytes) impl_->bases.put(name, *loaded, weight);
  co_return loaded;
}

std::unique_ptr<store::ImageReader> Builder::reader(oci::Reference reference,
                                                    registry::Access access) {
  return registry_reader(impl_->cache, impl_->registry, std::move(reference), std::move(access),
                         impl_->spool_dir);
}

std::shared_ptr<source::Source> Builder::image_content(ImageContentRequest request) {
  return std::make_shared<CachedImageContent>(impl_->contents, std::move(request));
}

void Builder::forget_base(const oci::Reference& reference, std::chrono::milliseconds until) {
  impl_->cache.forget(reference, until);
}

void Builder::follow_bases(BaseListener& listener) {
  impl_->cache.follow(listener);
}

Task<Result<std::shared_ptr<const layer::LayerIndex>>> Builder::layer_index(
    image::LayerSource source, registry::Access access) {
  return impl_->cache.layer_index(std::move(source), std::move(access));
}

Task<Result<Assembled>> Builder::assemble(
    std::shared_ptr<const BuildRequest> request, std::shared_ptr<const ResolvedImage> base,
    std::shared_ptr<const std::vector<FetchedContent>> content, LayerTaker taker) {
  for (const auto& one : *content)
    if (one.content.unread)
      co_return Error(Errc::kInternal, one.description + " was not read: a bug");
  std::vector<std::string> warnings;
  for (const auto& one : *content)
    warnings.insert(warnings.end(), one.content.warnings.begin(), one.content.warnings.end());
  auto assembled = co_await build::assemble(impl_->trees, impl_->maker, std::move(request),
                                            std::move(base), std::move(content), std::move(taker));
  if (assembled)
    assembled->warnings.insert(assembled->warnings.begin(), warnings.begin(), warnings.end());
  co_return assembled;
}

std::unique_ptr<store::Destination> Builder::making(store::Destination& inner) {
  return impl_->maker.unmade().making(inner);
}

bool Builder::records_were_wrong() const {
  return impl_->records->were_wrong();
}

Task<Result<std::optional<Assembled>>> Builder::reassemble(
    std::shared_ptr<const BuildRequest> request, std::shared_ptr<const ResolvedImage> base,
    std::shared_ptr<const std::vector<FetchedContent>> content,
    std::shared_ptr<const EarlierLayers> earlier) {
  return build::reassemble(impl_->trees, std::move(request), std::move(base), std::move(content),
                           std::move(earlier));
}

Task<Result<Assembled>> Builder::assemble_all(std::shared_ptr<const BuildRequest> request) {
  auto base = co_await resolve_base(request);
  if (!base) co_return std::move(base).error();
  auto content = co_await fetch_content(request);
  if (!content) co_return std::move(content).error();
  auto warnings = base->warnings;
  auto shared_base = std::make_shared<const ResolvedImage>(std::move(*base));
  auto shared_content = std::make_shared<const std::vector<FetchedContent>>(std::move(*content));
  auto assembled = co_await assemble(std::move(request), shared_base, shared_content);
  if (!assembled) co_return std::move(assembled).error();
  assembled->warnings.insert(assembled->warnings.begin(), warnings.begin(), warnings.end());
  co_return assembled;
}

}  // namespace kiln::build
