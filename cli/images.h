#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/registries.h"
#include "core/build/builder.h"
#include "core/build/pusher.h"
#include "core/store/destination.h"
#include "core/store/docker_daemon.h"
#include "core/store/image_reader.h"

namespace kiln::cli {

/// The flags of every command that works on images.
struct ImageFlags {
  RegistryFlags registries{};
  std::vector<std::string> platforms{};
  Form form = Form::kName;

  /// Lifetime: this object outlives the parsing.
  void add_to(CLI::App& command, const std::vector<Form>& forms);
  /// --platform. Errors: kInvalid.
  Result<std::vector<oci::Platform>> wanted() const;
};

/// This machine's platform: linux/amd64 where nothing better is known.
oci::Platform host_platform();

/// An image that was looked up, and how to read more of it.
struct OpenImage {
  Place place;
  std::shared_ptr<store::ImageReader> reader;  // Shared: a build request may hold it too.
  build::ResolvedImage image{};

  OpenImage(Place p, std::shared_ptr<store::ImageReader> r)
      : place(std::move(p)), reader(std::move(r)) {}
};

/// Opens the places of the command line, for reading and writing. Lifetime: what `engine` refers to
/// outlives it, and it outlives its tasks.
class Images {
 public:
  /// Reads the user's credentials and the flags. Errors: those of the files; kInvalid for a flag.
  [[nodiscard]] static Result<Images> create(const ImageFlags& flags, Engine engine);

  /// Errors: kInvalid for scratch, and those of the place.
  [[nodiscard]] Task<Result<std::shared_ptr<store::ImageReader>>> reader(Place place);
  /// Errors: kInvalid for scratch, and those of the place. A digest in `place` is not looked at.
  [[nodiscard]] Task<Result<std::unique_ptr<store::Destination>>> destination(Place place);

  /// Looks an image up: manifests and configs, of the platforms that --platform names or else of
  /// every Linux one. Tells warnings. Errors: kNotFound where one that is wanted is not there.
  [[nodiscard]] Task<Result<OpenImage>> open(std::string text);
  /// The same for one platform: the wanted one, else the only one, else this machine's.
  [[nodiscard]] Task<Result<OpenImage>> open_one(std::string text);
  /// --platform; empty = not given.
  const std::vector<oci::Platform>& wanted() const { return wanted_; }

  /// Asks the helper programs for a registry's credentials, once. Errors: those of the helpers.
  [[nodiscard]] Task<Result<void>> prepare(std::string registry);

  /// A place opened for writing, with the tag and the images it gets.
  struct Target {
    Place place;
    std::unique_ptr<store::Destination> destination;
    std::string tag;  ///< "latest" where none was given; "" = a docker archive without names.
    std::shared_ptr<const image::ImageSet> images;

    explicit Target(Place p) : place(std::move(p)) {}
  };
  /// Errors: kInvalid for a digest, and where a place holds one image and there are several.
  [[nodiscard]] Task<Result<Target>> target(Place place,
                                            std::shared_ptr<const image::ImageSet> images);

  /// Pushes to each place of `targets` and prints a line for each. With no target: into `home`, by
  /// digest alone; that must be a registry.
  [[nodiscard]] Task<Result<void>> push(std::shared_ptr<const image::ImageSet> images,
                                        std::vector<std::string> targets, Place home, Form form);

  /// How to reach the registries that layers come from.
  build::AccessTo origins() const;
  registry::Access access(const Place& place) const;
  const Registries& registries() const { return registries_; }
  Engine engine() const { return engine_; }

 private:
  Images(Engine engine, Registries registries, std::vector<oci::Platform> wanted)
      : engine_(engine), registries_(std::move(registries)), wanted_(std::move(wanted)) {}
  Task<Result<void>> push_to(Target target, Form form);
  /// Of all kinds that are no registry and not scratch.
  Task<Result<std::unique_ptr<store::ImageReader>>> local_reader(Place place);
  Result<std::unique_ptr<store::Destination>> local_destination(const Place& place);
  /// The daemon that $DOCKER_HOST names.
  Result<store::DockerConnection> docker() const;

  Engine engine_;
  Registries registries_;
  std::vector<oci::Platform> wanted_;
};

/// The images of `image` as a set to work on: an index stays one unless one platform was `wanted`.
image::ImageSet set_of(const build::ResolvedImage& image, const std::vector<oci::Platform>& wanted);

}  // namespace kiln::cli
