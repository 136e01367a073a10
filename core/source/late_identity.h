#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/layer/file_tree.h"

namespace kiln::source {

/// What files are that one fetch has listed and nobody has read yet: learnt from whoever packs them
/// (see layer::SumWanted), so that each is read once. Until then they have identities that no other
/// fetch of this process gives.
/// Threads: any.
class LateIdentity {
 public:
  virtual ~LateIdentity() = default;
  /// Is this temporary identity of a file one of ours?
  virtual bool gave(std::string_view identity) const = 0;
  /// The identity by the file's bytes; "" while they are not known. Precondition: gave() it.
  virtual std::string find(std::string_view identity) const = 0;
  /// Have all of them been packed? Then finish() does not fail.
  virtual bool is_complete() const = 0;
  /// Content::identity. Reads the files that nobody has packed. Blocking. Errors: those of reading.
  [[nodiscard]] virtual Result<std::string> finish() = 0;
  /// Keeps for later runs what was learnt, when all is. Blocking.
  virtual void remember() const = 0;
};

using LateIdentities = std::vector<std::shared_ptr<const LateIdentity>>;

/// identity_of() with what files are by now; "" while one of the late ones is not known.
std::string identity_of(const layer::FileTree& tree, const LateIdentities& late);

}  // namespace kiln::source
