#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/layer/file_tree.h"
#include "core/source/late_identity.h"

namespace kiln::build {

/// What is known of a layer before it is made.
struct DraftFacts {
  std::string identity{};  ///< source::identity_of() the tree.
  std::uint64_t files = 0;
  std::uint64_t content_bytes = 0;
  bool is_known = true;       ///< Is every file known by its bytes?
  bool will_be_known = true;  ///< Or will it be, when it has been packed?

  /// `of_file`: its identity.
  void add_file(std::uint64_t size_bytes, std::string_view of_file,
                const source::LateIdentities& late);
};

/// One layer to be: what is in it, and the line it gets in the image's history.
struct LayerDraft {
  /// Blocking, and put together each time, where it may never be needed. Threads: any.
  using Tree = std::function<Result<std::shared_ptr<const layer::FileTree>>()>;

  /// What is in it, for those who can tell without the tree. Blocking. Threads: any.
  using Look = std::function<DraftFacts(const source::LateIdentities& late)>;

  Tree tree;
  std::string created_by;
  Look look{};                        ///< Empty = it takes the tree.
  std::optional<DraftFacts> facts{};  ///< Unset where nobody has looked yet.
  /// A few small files that are in memory: another thread is woken in no less time than is taken to
  /// look at them, and to pack them with ISA-L.
  bool is_at_hand = false;

  LayerDraft(Tree t, std::string line) : tree(std::move(t)), created_by(std::move(line)) {}
  /// Of a tree that is there.
  LayerDraft(std::shared_ptr<const layer::FileTree> t, std::string line);
};

/// What is behind the line of one of several: " (1 of 3)".
std::string part_of(std::size_t number, std::size_t count);

using LayerDrafts = std::vector<std::shared_ptr<const LayerDraft>>;  // Shared with the pool.

/// Looks where nobody has. Blocking. Errors: of making the tree.
[[nodiscard]] Result<std::shared_ptr<const LayerDraft>> with_facts(
    std::shared_ptr<const LayerDraft> draft, const source::LateIdentities& late);

}  // namespace kiln::build
