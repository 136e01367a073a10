#include "core/source/inline_source.h"

#include "core/layer/entry_path.h"
#include "core/oci/digest.h"

namespace kiln::source {
namespace {

Result<layer::Entry> entry_for(const NamedFile& file) {
  auto path = layer::clean_relative_path(file.path);
  if (!path) return std::move(path).error();
  KILN_TRY(layer::refuse_whiteout_names(*path));
  layer::Entry entry(std::move(*path), layer::EntryKind::kFile);
  entry.identity = oci::Digest::of(*file.bytes).str();
  entry.content = layer::FileContent(file.bytes);
  return entry;
}

}  // namespace

Task<Result<Content>> InlineSource::fetch() {
  Content content;
  content.revision = revision_;
  for (const auto& file : files_) {
    auto entry = entry_for(file);
    if (!entry) co_return std::move(entry).error().while_doing(description_);
    if (content.tree.find(entry->path) != nullptr)
      co_return Error(Errc::kInvalid,
                      description_ + ": the path " + entry->path + " is given twice");
    auto added = content.tree.add(std::move(*entry));
    if (!added) co_return std::move(added).error().while_doing(description_);
  }
  content.identity = identity_of(content.tree);
  co_return content;
}

}  // namespace kiln::source
