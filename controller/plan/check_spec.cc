#include <algorithm>
#include <array>
#include <span>

#include "controller/plan/plan.h"
#include "core/layer/entry_path.h"

namespace kiln::plan {
namespace {

constexpr std::size_t kMaxInlineBytes = 131072;

Error wrong(std::string field, std::string_view message) {
  return {Errc::kInvalid, std::move(field) + ": " + std::string(message)};
}

/// The field goes in front of what a parser says.
Error at(std::string field, Error error) {
  return std::move(error).while_doing(field);
}

std::string indexed(std::string_view field, std::size_t index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

Result<void> check_path(const std::string& path, const std::string& field) {
  const auto clean = layer::clean_absolute_path(path);
  if (!clean) return at(field, clean.error());
  if (const auto named = layer::refuse_whiteout_names(*clean); !named)
    return at(field, named.error());
  return {};
}

Result<void> check_base(const api::Spec& spec) {
  if (spec.base.image == "scratch") {
    if (spec.content.empty())
      return wrong(
          "spec.base.image",
          "scratch is empty, so the image would be too: add an entry to spec.content, or name "
          "another base");
    if (!spec.remove.empty())
      return wrong("spec.remove",
                   "there is nothing to remove from scratch: drop it, or name another base");
  } else if (const auto reference = oci::Reference::parse(spec.base.image); !reference) {
    return at("spec.base.image", reference.error());
  }
  for (std::size_t i = 0; i < spec.base.platforms.size(); ++i)
    if (const auto platform = oci::Platform::parse(spec.base.platforms[i]); !platform)
      return at(indexed("spec.base.platforms", i), platform.error());
  for (std::size_t i = 0; i < spec.remove.size(); ++i) {
    const auto field = indexed("spec.remove", i);
    KILN_TRY(check_path(spec.remove[i], field));
    if (spec.remove[i] == "/")
      return wrong(field,
                   "must not be the whole file system: to start from nothing, write scratch as "
                   "spec.base.image");
  }
  return {};
}

Result<void> check_keyed(const api::KeyedSource& source, const std::string& field) {
  for (std::size_t i = 0; i < source.items.size(); ++i) {
    const auto item = indexed(field + ".items", i) + ".path";
    const auto clean = layer::clean_relative_path(source.items[i].path);
    if (!clean) return at(item, clean.error());
    if (const auto named = layer::refuse_whiteout_names(*clean); !named)
      return at(item, named.error());
    for (std::size_t j = 0; j < i; ++j)
      if (source.items[j].path == source.items[i].path)
        return wrong(item, source.items[i].path + " is given twice");
  }
  return {};
}

Result<void> check_image(const api::ImageSource& image, const std::string& field) {
  if (image.reference == "scratch")
    return wrong(field + ".reference",
                 "scratch is empty, so there is nothing to copy: write the image that holds the "
                 "files");
  if (const auto reference = oci::Reference::parse(image.reference); !reference)
    return at(field + ".reference", reference.error());
  if (image.path.empty()) return {};
  return check_path(image.path, field + ".path");
}

Result<void> check_inline(const api::InlineSource& source, const std::string& field) {
  if (source.files.empty()) return wrong(field + ".files", "is empty: write at least one file");
  for (const auto& [name, text] : source.files) {
    const auto clean = layer::clean_relative_path(name);
    if (!clean) return at(field + ".files", clean.error());
    if (const auto named = layer::refuse_whiteout_names(*clean); !named)
      return at(field + ".files", named.error());
  }
  return {};
}

/// 0644 in YAML is 420; who writes 644 (or "0644" in JSON) has forgotten the zero. As in the
/// schema.
constexpr std::array<std::uint32_t, 18> kOctalLookingFileModes = {
    400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 750, 755, 770, 775, 777};
constexpr std::array<std::uint32_t, 17> kOctalLookingDirModes = {
    500, 550, 555, 700, 711, 750, 751, 755, 770, 771, 775, 777, 1777, 2750, 2755, 2770, 2775};

Result<void> check_mode(const std::optional<std::uint32_t>& mode,
                        std::span<const std::uint32_t> octal_looking, std::string field) {
  if (mode && std::find(octal_looking.begin(), octal_looking.end(), *mode) != octal_looking.end())
    return wrong(
        std::move(field),
        "is decimal but looks octal: write it with a leading zero, such as 0644 or 0755 (in "
        "JSON its decimal value, 420 or 493)");
  return {};
}

Result<void> check_content_entry(const api::Content& content, const std::string& field) {
  const int sources = content.config_map.has_value() + content.secret.has_value() +
                      content.git.has_value() + content.inline_.has_value() +
                      content.image.has_value();
  if (sources == 0)
    return wrong(field, "has no source: write one of configMap, secret, git, inline or image");
  if (sources > 1)
    return wrong(field,
                 "has more than one source: keep one of configMap, secret, git, inline and "
                 "image, and give each other an entry of its own");
  KILN_TRY(check_path(content.path, field + ".path"));
  if (content.config_map) KILN_TRY(check_keyed(*content.config_map, field + ".configMap"));
  if (content.secret) KILN_TRY(check_keyed(*content.secret, field + ".secret"));
  if (content.git) KILN_TRY(check_git(*content.git, field + ".git"));
  if (content.image) KILN_TRY(check_image(*content.image, field + ".image"));
  if (content.inline_) KILN_TRY(check_inline(*content.inline_, field + ".inline"));
  KILN_TRY(check_mode(content.file_mode, kOctalLookingFileModes, field + ".fileMode"));
  return check_mode(content.dir_mode, kOctalLookingDirModes, field + ".dirMode");
}

Result<void> check_content(const std::vector<api::Content>& content) {
  std::size_t inline_bytes = 0;
  for (std::size_t i = 0; i < content.size(); ++i) {
    KILN_TRY(check_content_entry(content[i], content_field(i)));
    if (content[i].inline_)
      for (const auto& [name, text] : content[i].inline_->files)
        inline_bytes += name.size() + text.size();
  }
  // The schema counts characters; bytes can be up to four times as many.
  if (inline_bytes > 4 * kMaxInlineBytes)
    return wrong("spec.content",
                 "the inline files of an ImageBuild hold at most 131072 characters "
                 "together: move the larger ones to a ConfigMap or to git");
  return {};
}

Result<void> check_config(const api::Config& config) {
  for (const auto& env : config.env) {
    if (env.name.find('=') != std::string::npos)
      return wrong("spec.config.env", "the name " + env.name + " must not hold '='");
    if (std::find(config.unset_env.begin(), config.unset_env.end(), env.name) !=
        config.unset_env.end())
      return wrong("spec.config.unsetEnv",
                   "unsets a variable that env sets (" + env.name + "): keep it in one of the two");
  }
  if (config.working_dir) KILN_TRY(check_path(*config.working_dir, "spec.config.workingDir"));
  return {};
}

/// "kiln-" and hexadecimal digits: tags that keep the history alive.
bool is_history_tag(std::string_view tag) {
  constexpr std::string_view kPrefix = "kiln-";
  if (!tag.starts_with(kPrefix)) return false;
  const auto rest = tag.substr(kPrefix.size());
  if (rest.starts_with("${inputKey}")) return true;
  return rest.size() >= 7 && rest.find_first_not_of("0123456789abcdef") == rest.npos;
}

Result<void> check_tags(const api::Spec& spec) {
  constexpr std::string_view kReserved =
      "must not be a tag that Kiln keeps for the history, kiln- and hexadecimal digits: write "
      "another "
      "name";
  const auto reference = oci::Reference::parse(spec.output.image);
  if (!reference) return at("spec.output.image", reference.error());
  if (reference->digest())
    return wrong("spec.output.image",
                 "must not hold a digest, which only the push knows: write "
                 "repository and tag, such as registry.example.com/team/site:latest");
  if (spec.output.image.find('/') == std::string::npos)
    return wrong("spec.output.image",
                 "must name a registry, or a user of Docker Hub: write "
                 "registry.example.com/team/site:latest or docker.io/user/site:latest");
  if (is_history_tag(reference->tag())) return wrong("spec.output.image", kReserved);
  for (std::size_t i = 0; i < spec.output.tags.size(); ++i) {
    const auto field = indexed("spec.output.tags", i);
    if (is_history_tag(spec.output.tags[i])) return wrong(field, kReserved);
  }
  return {};
}

bool has_git(const api::Content& content) {
  return content.git.has_value();
}

Result<void> check_output(const api::Spec& spec) {
  const auto& output = spec.output;
  if (output.media_types == "Docker" && output.compression == "Zstd")
    return wrong("spec.output.compression",
                 "Docker's media types know no zstd: write compression Gzip or "
                 "GzipSmall, or mediaTypes OCI");
  if (output.media_types == "Docker" && !output.annotations.empty())
    return wrong("spec.output.annotations",
                 "Docker's media types know no annotations: write mediaTypes "
                 "OCI, or use config.labels");
  if (output.timestamps == "SourceRevision" &&
      (spec.content.empty() || !std::all_of(spec.content.begin(), spec.content.end(), has_git)))
    return wrong("spec.output.timestamps",
                 "SourceRevision takes the time of a git commit, so every entry of spec.content "
                 "must have git: write Content or Epoch");
  return {};
}

/// Any key, date and commit will do: what they bring cannot make a tag invalid. Which of the
/// variables have a value is known by the spec alone.
TagFacts sample_facts(const api::Spec& spec) {
  TagFacts facts{WallTime(), std::string(64, '0'), 1};
  const auto first = std::find_if(spec.content.begin(), spec.content.end(), has_git);
  if (first == spec.content.end()) return facts;
  const auto ref = git_ref_of(*first->git);
  facts.commit.emplace();
  facts.commit->commit = std::string(40, '0');
  if (!ref.commit.empty() || !ref.name.empty()) return facts;
  auto& label = ref.semver.empty() && ref.tag.empty() ? facts.commit->branch : facts.commit->tag;
  label = "main";
  return facts;
}

}  // namespace

Result<void> check_spec(const api::ImageBuild& build) {
  const auto& spec = build.spec;
  KILN_TRY(check_base(spec));
  KILN_TRY(check_content(spec.content));
  KILN_TRY(check_config(spec.config));
  KILN_TRY(check_tags(spec));
  KILN_TRY(check_output(spec));
  if (!spec.pin.empty())
    if (const auto pin = oci::Digest::parse(spec.pin); !pin) return at("spec.pin", pin.error());
  const auto tags = render_tags(build, sample_facts(spec));
  if (!tags) return tags.error();
  return {};
}

}  // namespace kiln::plan
