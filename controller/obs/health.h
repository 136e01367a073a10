#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::obs {

/// What a check found.
struct Finding {
  enum class Grade {
    kGood,
    kTroubled,  ///< Something is wrong that a restart or less traffic would not cure: told, no
                ///< more.
    kBad,       ///< The page answers 503.
  };
  Grade grade = Grade::kGood;
  std::string words;  ///< "watching", "listing: configmaps is forbidden: …"; "" = nothing to say.

  static Finding good(std::string words = {}) { return Finding(Grade::kGood, std::move(words)); }
  static Finding troubled(std::string words) { return Finding(Grade::kTroubled, std::move(words)); }
  static Finding bad(std::string words) { return Finding(Grade::kBad, std::move(words)); }

 private:
  Finding(Grade g, std::string w) : grade(g), words(std::move(w)) {}
};

/// A list of named checks and what they say together, as /healthz and /readyz of Kubernetes'
/// own programs do: "ok", or one line for each check.
///
///   [+]watch-configmaps ok: watching
///   [!]watch-secrets troubled: listing: secrets is forbidden
///   [-]leader-election failed: the lease was last renewed 40s ago
///   healthz check failed
///
/// Checks are quick and never wait. Threads: one.
class Checks {
 public:
  using Check = std::function<Finding()>;

  /// `page` is the name in the last line: "healthz".
  explicit Checks(std::string page) : page_(std::move(page)) {}

  /// `name` is fit for a URL: [a-z0-9.@-].
  void add(std::string name, Check check);

  struct Report {
    enum class Verdict { kGood, kBad, kUnknownCheck } verdict = Verdict::kGood;
    std::string text;
    Report() = default;
  };
  /// `only`: this one check; "" = all. Without `verbose` a page where all is well is just "ok".
  Report report(bool verbose, std::string_view only = {}) const;

 private:
  struct Named {
    std::string name;
    Check check;
  };
  std::string page_;
  std::vector<Named> checks_;
};

/// For the page of liveness: a leader that has not renewed its lease for longer than `lease` and
/// `grace` together should long have stepped down; that it has not is a bug that a restart ends.
/// Source: client-go tools/leaderelection, healthzadaptor.go. `since_renewal`: nullopt = it does
/// not lead, and all is well.
Finding judge_lease(std::optional<std::chrono::steady_clock::duration> since_renewal,
                    std::chrono::milliseconds lease, std::chrono::milliseconds grace);

/// Live: a restart would not help. Ready: it does, or could at once do, its work.
struct Health {
  Checks live{"healthz"};
  Checks ready{"readyz"};
  Health() = default;
};

}  // namespace kiln::obs
