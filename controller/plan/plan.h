#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/image_build.h"
#include "controller/plan/git_content.h"
#include "controller/plan/named_data.h"
#include "core/base/task.h"
#include "core/base/time_text.h"
#include "core/build/builder.h"
#include "core/build/request.h"
#include "core/oci/reference.h"
#include "core/registry/client.h"

/// Turns an ImageBuild into what core/build builds: shared by the controller and the command.
namespace kiln::plan {

/// Refuses a spec that cannot be built, also where no API server applied the CRD's rules. No I/O.
/// Errors: kInvalid, naming the field: "spec.remove[1]: must not be the whole
/// file system".
[[nodiscard]] Result<void> check_spec(const api::ImageBuild& build);

/// Who one is for the registries. Null = anonymous.
struct Keychains {
  std::shared_ptr<const auth::Keychain> base;
  std::shared_ptr<const auth::Keychain> output;
  std::map<std::size_t, std::shared_ptr<const auth::Keychain>> content;  ///< By entry, of images.

  Keychains() = default;  // Not an aggregate: may travel through co_await.
};

/// Makes content of what is wanted from an image. `entry`: its index in spec.content.
using ImageSources =
    std::function<std::shared_ptr<source::Source>(build::ImageContentRequest, std::size_t entry)>;

/// How the registries are reached: keychains, plus what certSecretRef and insecure say.
struct Accesses {
  registry::Access base;
  registry::Access output;
  std::map<std::size_t, registry::Access> content;  ///< By entry of spec.content, of images.

  Accesses() = default;
};

/// Reads the Secrets of certSecretRef. Errors: those of `provider`, kInvalid (naming field and
/// key). Lifetime: `provider` outlives the task.
[[nodiscard]] Task<Result<Accesses>> read_accesses(std::shared_ptr<const api::ImageBuild> build,
                                                   ContentProvider& provider, Keychains keychains);

/// The same for the output alone.
[[nodiscard]] Task<Result<registry::Access>> read_output_access(
    std::shared_ptr<const api::ImageBuild> build, ContentProvider& provider,
    std::shared_ptr<const auth::Keychain> keychain);

/// What is to be built and where it goes; the tags come later, see render_tags().
struct Plan {
  std::shared_ptr<const build::BuildRequest> request;
  oci::Repository repository;  ///< Of the output.
  registry::Access output_access;

  Plan(std::shared_ptr<const build::BuildRequest> r, oci::Repository out, registry::Access access)
      : request(std::move(r)), repository(std::move(out)), output_access(std::move(access)) {}
};

/// Reads the ConfigMaps and Secrets of spec.content, each one once, and makes the request. What is
/// wanted from git becomes content through `git`, what is wanted from an image through `images`;
/// nobody is asked for it here. Content of a Secret gets an identity that is keyed with the
/// ImageBuild's uid, so that neither the input key nor the status tells what another build of the
/// same bytes has. `build` has passed check_spec().
/// Errors: kNotFound (a ConfigMap or Secret, or one of the keys of `items`, unless `optional`),
/// kInvalid, kUnauthorized (git's credentials, see git_request()), those of `provider`; prefixed
/// with the field.
/// Lifetime: `provider` outlives the task.
[[nodiscard]] Task<Result<Plan>> make_plan(std::shared_ptr<const api::ImageBuild> build,
                                           ContentProvider& provider, Accesses accesses,
                                           GitSources git, ImageSources images);

/// What the variables of spec.output.tags stand for.
struct TagFacts {
  WallTime date;                                ///< ${date}: 2026-01-31
  std::string input_key;                        ///< ${inputKey}
  std::int64_t generation;                      ///< ${generation}
  std::optional<source::CommitFacts> commit{};  ///< ${git.…}, see first_commit().
};

/// The tags of the image: that of spec.output.image, then spec.output.tags, filled in, each once.
/// What a branch's or tag's name has and an image's tag must not becomes "-".
/// Errors: kInvalid, naming the field: a variable that is unknown or has no value here, a result
/// that is no tag or that is the base's own reference.
[[nodiscard]] Result<std::vector<std::string>> render_tags(const api::ImageBuild& build,
                                                           const TagFacts& facts);

/// Those of the tags that are the same for every build, without variables.
[[nodiscard]] std::vector<std::string> fixed_tags(const api::ImageBuild& build);

/// How a content entry's source is called in status and messages: "ConfigMap/site", "inline".
std::string source_name(const api::Content& content);

/// "spec.content[3]"
std::string content_field(std::size_t index);

}  // namespace kiln::plan
