#include "cli/images.h"

#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "cli/checks.h"
#include "cli/terminal.h"
#include "core/build/image_loader.h"
#include "core/store/docker_archive.h"
#include "core/store/docker_daemon.h"
#include "core/store/oci_archive.h"
#include "core/store/oci_layout.h"

namespace kiln::cli {
namespace {

std::string architecture_of(const std::string& machine) {
  if (machine == "aarch64") return "arm64";
  if (machine == "i686" || machine == "i386") return "386";
  if (machine.starts_with("armv")) return "arm";
  if (machine == "ppc64le" || machine == "s390x" || machine == "riscv64") return machine;
  return "amd64";
}

std::string listed(const std::vector<build::PlatformImage>& platforms) {
  std::string text;
  for (const auto& one : platforms) text += (text.empty() ? "" : ", ") + one.platform.str();
  return text;
}

/// The one image of an index that a place which holds one image gets.
Result<image::ImageSet> only_one(const image::ImageSet& images, const Place& place) {
  image::ImageSet one = images;
  one.as_index = false;
  const auto host = host_platform();
  std::string platforms;
  for (const auto& image : images.images) {
    const auto platform = image.config().platform();
    platforms += (platforms.empty() ? "" : ", ") + platform.str();
    if (images.images.size() > 1 && !host.matches(platform)) continue;
    one.images.assign(1, image);
    return one;
  }
  return Error(Errc::kInvalid, place.text() + " holds one image, and of " + platforms +
                                   " none is for this machine; choose one with --platform");
}

}  // namespace

void ImageFlags::add_to(CLI::App& command, const std::vector<Form>& forms) {
  registries.add_to(command);
  command
      .add_option("--platform", platforms,
                  "Which, where an image is for several (default: all, or this machine's where one "
                  "is needed); may be repeated")
      ->type_name("OS/ARCH[/VARIANT]")
      ->check(parsed_by(oci::Platform::parse))
      ->allow_extra_args(false);
  if (!forms.empty()) add_output_flag(command, form, forms);
}

Result<std::vector<oci::Platform>> ImageFlags::wanted() const {
  std::vector<oci::Platform> wanted;
  for (const auto& text : platforms) {
    auto platform = oci::Platform::parse(text);
    if (!platform) return std::move(platform).error().while_doing("--platform");
    wanted.push_back(std::move(*platform));
  }
  return wanted;
}

oci::Platform host_platform() {
  utsname names{};
  if (::uname(&names) != 0) return oci::Platform{"linux", "amd64"};
  return oci::Platform{"linux", architecture_of(names.machine)};
}

build::AccessTo Images::origins() const {
  return [registries = registries_](const oci::Repository& repository) {
    return registries.access(repository.registry);
  };
}

registry::Access Images::access(const Place& place) const {
  return place.is_registry() ? registries_.access(place.reference().repository().registry)
                             : registry::Access();
}

Result<Images> Images::create(const ImageFlags& flags, Engine engine) {
  auto wanted = flags.wanted();
  if (!wanted) return std::move(wanted).error();
  auto registries = Registries::create(flags.registries);
  if (!registries) return std::move(registries).error();
  return Images(std::move(engine), std::move(*registries), std::move(*wanted));
}

Task<Result<void>> Images::prepare(std::string registry) {
  co_return co_await registries_.prepare(std::move(registry), engine_.pool);
}

Task<Result<std::shared_ptr<store::ImageReader>>> Images::reader(Place place) {
  using Shared = std::shared_ptr<store::ImageReader>;
  if (place.kind() == Place::Kind::kScratch)
    co_return Error(Errc::kInvalid, "scratch is no image; it can only be the base of one");
  if (place.is_registry()) {
    KILN_CO_TRY(co_await prepare(place.reference().repository().registry));
    co_return Shared(engine_.builder.reader(place.reference(), access(place)));
  }
  auto opened = co_await local_reader(std::move(place));
  if (!opened) co_return std::move(opened).error();
  co_return Shared(std::move(*opened));
}

Task<Result<std::unique_ptr<store::ImageReader>>> Images::local_reader(Place place) {
  const std::string spool_dir;  // The usual place.
  store::LayoutChoice choice(place.tag(), place.digest());
  switch (place.kind()) {
    case Place::Kind::kOciLayout:
      co_return co_await store::read_oci_layout(place.path(), std::move(choice), place.text(),
                                                engine_.pool);
    case Place::Kind::kOciArchive:
      co_return co_await store::read_oci_archive(place.path(), std::move(choice), place.text(),
                                                 spool_dir, engine_.pool);
    case Place::Kind::kDockerArchive:
      co_return co_await store::read_docker_archive(place.path(), place.tag(), place.text(),
                                                    spool_dir, engine_.pool);
    default:
      break;
  }
  auto connection = docker();
  if (!connection) co_return std::move(connection).error();
  co_return co_await store::read_docker_daemon(std::move(*connection), place.tag(), place.text(),
                                               spool_dir, engine_.pool);
}

Result<store::DockerConnection> Images::docker() const {
  const char* host = std::getenv("DOCKER_HOST");
  auto socket = store::docker_socket(host != nullptr ? host : "");
  if (!socket) return std::move(socket).error();
  auto client = engine_.local_clients(*socket);
  return store::DockerConnection(std::move(client), std::move(*socket));
}

Task<Result<std::unique_ptr<store::Destination>>> Images::destination(Place place) {
  if (place.kind() == Place::Kind::kScratch)
    co_return Error(Errc::kInvalid, "scratch is no place for an image");
  if (place.is_registry()) {
    KILN_CO_TRY(co_await prepare(place.reference().repository().registry));
    co_return build::registry_destination(engine_.registry, place.reference().repository(),
                                          access(place));
  }
  co_return local_destination(place);
}

Result<std::unique_ptr<store::Destination>> Images::local_destination(const Place& place) {
  const std::string spool_dir;  // The usual place.
  switch (place.kind()) {
    case Place::Kind::kOciLayout:
      return store::open_oci_layout(place.path(), engine_.pool);
    case Place::Kind::kOciArchive:
      return store::open_oci_archive(place.path(), engine_.pool);
    case Place::Kind::kDockerArchive:
      return store::open_docker_archive(place.path(), spool_dir, engine_.pool);
    default:
      break;
  }
  auto connection = docker();
  if (!connection) return std::move(connection).error();
  return store::docker_daemon(std::move(*connection), spool_dir, engine_.pool);
}

Task<Result<OpenImage>> Images::open(std::string text) {
  auto place = Place::parse(text);
  if (!place) co_return std::move(place).error();
  auto from = co_await reader(*place);
  if (!from) co_return about(text, std::move(from).error());
  OpenImage opened(std::move(*place), std::move(*from));
  auto image = co_await build::load_image(*opened.reader, wanted_);
  if (!image) co_return about(text, std::move(image).error());
  if (!image->missing_platforms.empty()) {
    const auto there = listed(image->platforms);
    co_return Error(Errc::kNotFound, text + " has no image for " +
                                         image->missing_platforms.front().str() +
                                         (there.empty() ? "" : "; there is " + there));
  }
  for (const auto& warning : image->warnings) warn(warning);
  opened.image = std::move(*image);
  co_return opened;
}

Task<Result<OpenImage>> Images::open_one(std::string text) {
  auto opened = co_await open(text);
  if (!opened || opened->image.platforms.size() == 1) co_return opened;
  auto& platforms = opened->image.platforms;
  const auto host = host_platform();
  const auto fits = [&](const auto& one) { return host.matches(one.platform); };
  const auto found = std::find_if(platforms.begin(), platforms.end(), fits);
  if (!wanted_.empty() || found == platforms.end())
    co_return Error(Errc::kInvalid,
                    text + " has images for " + listed(platforms) + "; choose one with --platform");
  auto one = *found;
  platforms.assign(1, std::move(one));
  co_return opened;
}

Task<Result<Images::Target>> Images::target(Place place,
                                            std::shared_ptr<const image::ImageSet> images) {
  if (place.digest() || (place.is_registry() && place.reference().digest()))
    co_return Error(Errc::kInvalid, "a destination has a tag, not a digest: " + place.text());
  Target target(place);
  target.images = std::move(images);
  target.tag = place.is_registry() ? place.reference().tag() : place.tag();
  if (target.tag.empty() && place.kind() != Place::Kind::kDockerArchive) target.tag = "latest";
  auto opened = co_await destination(std::move(place));
  if (!opened) co_return std::move(opened).error();
  target.destination = std::move(*opened);
  if (target.images->as_index && !target.destination->holds_indexes()) {
    auto one = only_one(*target.images, target.place);
    if (!one) co_return std::move(one).error();
    target.images = std::make_shared<const image::ImageSet>(std::move(*one));
  }
  co_return target;
}

Task<Result<void>> Images::push(std::shared_ptr<const image::ImageSet> images,
                                std::vector<std::string> targets, Place home, Form form) {
  if (targets.empty() && !home.is_registry())
    co_return Error(Errc::kInvalid, home.text() +
                                        " is not in a registry, so the result needs a place of its "
                                        "own: name one with -t");
  if (targets.empty()) {
    Target by_digest(home);
    by_digest.images = std::move(images);
    auto opened = co_await destination(std::move(home));
    if (!opened) co_return std::move(opened).error();
    by_digest.destination = std::move(*opened);
    co_return co_await push_to(std::move(by_digest), form);
  }
  for (const auto& text : targets) {
    auto place = Place::parse(text);
    if (!place) co_return std::move(place).error().while_doing("-t " + text);
    auto one = co_await target(std::move(*place), images);
    if (!one) co_return about("-t " + text, std::move(one).error());
    auto pushed = co_await push_to(std::move(*one), form);
    if (!pushed) co_return about("-t " + text, std::move(pushed).error());
  }
  co_return Result<void>();
}

Task<Result<void>> Images::push_to(Target target, Form form) {
  std::vector<std::string> tags{target.tag};
  const auto destination = engine_.builder.making(*target.destination);
  auto pushed = co_await build::push_images(target.images, *destination, engine_.registry,
                                            origins(), push_listener(), std::move(tags));
  if (!pushed) co_return std::move(pushed).error();
  print_image(NamedImage(target.place.name(), target.tag, target.images->top().descriptor()), form);
  co_return Result<void>();
}

image::ImageSet set_of(const build::ResolvedImage& image,
                       const std::vector<oci::Platform>& wanted) {
  image::ImageSet set;
  for (const auto& one : image.platforms) set.images.push_back(one.image);
  set.as_index = image.is_index && wanted.size() != 1;
  set.docker_media_types = image.docker_media_types;
  if (set.as_index) set.annotations = image.annotations;
  return set;
}

}  // namespace kiln::cli
