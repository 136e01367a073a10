#pragma once
#include "core/oci/reference.h"

namespace kiln::build {

/// Hears of the tags of bases and of images that content is copied from. Called on the I/O
/// executor.
class BaseListener {
 public:
  virtual ~BaseListener() = default;
  /// A registry is asked what a tag points at; who shares an answer asks nobody.
  virtual void asked(const oci::Reference& reference) = 0;
  /// It points at something else than the time before. Whoever asked gets the new answer, and so
  /// does everybody from now on.
  virtual void moved(const oci::Reference& reference) = 0;
};

}  // namespace kiln::build
