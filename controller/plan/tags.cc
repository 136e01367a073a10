#include <algorithm>
#include <map>

#include "controller/plan/plan.h"

namespace kiln::plan {
namespace {

constexpr std::size_t kShortCommit = 7;

/// A name of git's as a part of a tag.
std::string as_tag_part(std::string name) {
  constexpr std::string_view kOthers = "._-";
  for (char& c : name)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
          kOthers.find(c) != kOthers.npos))
      c = '-';
  return name;
}

Result<std::string> value_of_git(std::string_view variable, const TagFacts& facts) {
  const auto shown = "${git." + std::string(variable) + "}";
  if (!facts.commit)
    return Error(Errc::kInvalid, shown +
                                     " needs an entry of spec.content with git: add one, or use "
                                     "${date}, ${inputKey} or ${generation}");
  const auto& commit = *facts.commit;
  if (variable == "commit") return commit.commit;
  if (variable == "shortCommit") return commit.commit.substr(0, kShortCommit);
  const auto& name = variable == "branch" ? commit.branch : commit.tag;
  if (name.empty())
    return Error(Errc::kInvalid, shown + " has no value: the first entry with git follows no " +
                                     std::string(variable) +
                                     "; use ${git.shortCommit}, or write another ref");
  return as_tag_part(name);
}

Result<std::string> value_of(std::string_view variable, const TagFacts& facts) {
  constexpr std::string_view kGit = "git.";
  for (const auto* name : {"git.branch", "git.commit", "git.shortCommit", "git.tag"})
    if (variable == name) return value_of_git(variable.substr(kGit.size()), facts);
  if (variable == "date") return format_rfc3339(facts.date).substr(0, 10);
  if (variable == "inputKey") return facts.input_key;
  if (variable == "generation") return std::to_string(facts.generation);
  return Error(Errc::kInvalid, "unknown variable ${" + std::string(variable) +
                                   "}: use ${date}, ${inputKey}, ${generation}, ${git.branch}, "
                                   "${git.tag}, ${git.commit} or ${git.shortCommit}");
}

Result<std::string> fill_in(std::string_view text, const TagFacts& facts) {
  std::string out;
  for (;;) {
    const auto start = text.find("${");
    out += text.substr(0, start);
    if (start == text.npos) return out;
    text.remove_prefix(start + 2);
    const auto end = text.find('}');
    if (end == text.npos) return Error(Errc::kInvalid, "holds ${ without }");
    auto value = value_of(text.substr(0, end), facts);
    if (!value) return value.error();
    out += *value;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<std::vector<std::string>> render_tags(const api::ImageBuild& build, const TagFacts& facts) {
  const auto output = oci::Reference::parse(build.spec.output.image);
  if (!output) return output.error().while_doing("spec.output.image");
  std::vector<std::string> tags = {output->tag()};
  std::vector<std::string> fields = {"spec.output.image"};
  for (std::size_t i = 0; i < build.spec.output.tags.size(); ++i) {
    const auto field = "spec.output.tags[" + std::to_string(i) + "]";
    const auto text = fill_in(build.spec.output.tags[i], facts);
    if (!text) return text.error().while_doing(field);
    auto tag = oci::Reference::parse_tag(*text);
    if (!tag) return tag.error().while_doing(field);
    if (std::find(tags.begin(), tags.end(), *tag) != tags.end()) continue;
    tags.push_back(std::move(*tag));
    fields.push_back(field);
  }
  std::map<std::string, std::string> inputs{{"spec.base.image", build.spec.base.image}};
  for (std::size_t i = 0; i < build.spec.content.size(); ++i)
    if (const auto& image = build.spec.content[i].image)
      inputs.emplace(content_field(i) + ".image", image->reference);
  for (const auto& [field, text] : inputs) {
    // "nginx" and "docker.io/library/nginx:latest" are one image, which only parsing shows.
    const auto input = oci::Reference::parse(text);
    if (!input || input->digest() || input->repository() != output->repository()) continue;
    for (std::size_t i = 0; i < tags.size(); ++i)
      if (tags[i] == input->tag())
        return Error(Errc::kInvalid, fields[i] + ": must differ from " + field +
                                         ", or each build would start the next: write another "
                                         "repository or tag");
  }
  return tags;
}

std::vector<std::string> fixed_tags(const api::ImageBuild& build) {
  std::vector<std::string> tags;
  if (const auto output = oci::Reference::parse(build.spec.output.image))
    tags.push_back(output->tag());
  for (const auto& tag : build.spec.output.tags)
    if (tag.find("${") == tag.npos && std::find(tags.begin(), tags.end(), tag) == tags.end())
      tags.push_back(tag);
  return tags;
}

}  // namespace kiln::plan
