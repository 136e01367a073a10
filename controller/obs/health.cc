#include "controller/obs/health.h"

#include <utility>

#include "core/base/time_text.h"

namespace kiln::obs {
namespace {

std::string line_of(const std::string& name, const Finding& finding) {
  const auto words = finding.words.empty() ? "" : ": " + finding.words;
  switch (finding.grade) {
    case Finding::Grade::kGood:
      return "[+]" + name + " ok" + words + "\n";
    case Finding::Grade::kTroubled:
      return "[!]" + name + " troubled" + words + "\n";
    case Finding::Grade::kBad:
      break;
  }
  return "[-]" + name + " failed" + words + "\n";
}

}  // namespace

void Checks::add(std::string name, Check check) {
  checks_.push_back(Named{std::move(name), std::move(check)});
}

Checks::Report Checks::report(bool verbose, std::string_view only) const {
  Report report;
  bool bad = false;
  bool found = only.empty();
  for (const auto& named : checks_) {
    if (!only.empty() && named.name != only) continue;
    found = true;
    const auto finding = named.check();
    bad = bad || finding.grade == Finding::Grade::kBad;
    report.text += line_of(named.name, finding);
  }
  if (!found) {
    report.verdict = Report::Verdict::kUnknownCheck;
    report.text = "there is no such check; " + page_ + "?verbose lists them\n";
    return report;
  }
  if (bad) report.verdict = Report::Verdict::kBad;
  if (bad || verbose)
    report.text += page_ + " check " + (bad ? "failed" : "passed") + "\n";
  else
    report.text = "ok\n";
  return report;
}

Finding judge_lease(std::optional<std::chrono::steady_clock::duration> since_renewal,
                    std::chrono::milliseconds lease, std::chrono::milliseconds grace) {
  if (!since_renewal) return Finding::good("not the leader");
  const auto ago = std::chrono::floor<std::chrono::seconds>(*since_renewal);
  const auto words = "the lease was last renewed " + format_duration(ago) + " ago";
  return *since_renewal > lease + grace ? Finding::bad(words) : Finding::good("leader; " + words);
}

}  // namespace kiln::obs
