#include "controller/core/failure_tally.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace layernas::core {

void FailureTally::Add(const AttemptFailure& failure, TaskKind kind) {
  if (failure.kind == FailureKind::kWorkerLost) {
    ++lost_;
    return;
  }
  OfKind& of_kind = kinds_[static_cast<std::size_t>(kind)];
  ++of_kind.failed;
  ++of_kind.by_worker[failure.worker];
  ++failed_;
  ++messages_[failure.message];
}

bool FailureTally::SpeaksAgainstSearch(TaskKind kind, int allowed, Others others) const {
  const OfKind& of_kind = kinds_[static_cast<std::size_t>(kind)];
  if (of_kind.succeeded || of_kind.failed < allowed) return false;
  if (others == Others::kNone) return true;
  int counted = 0;
  for (const auto& [worker, failed] : of_kind.by_worker) counted += std::min(failed, (allowed + 1) / 2);
  return of_kind.by_worker.size() > 1 && counted >= allowed;
}

std::string FailureTally::Commonest() const {
  const auto commonest = std::max_element(messages_.begin(), messages_.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
  if (commonest != messages_.end()) {
    return absl::StrCat("the commonest failure (", commonest->second, commonest->second == 1 ? " time" : " times",
                        "): ", commonest->first);
  }
  if (lost_ > 0)
    return absl::StrCat(lost_, lost_ == 1 ? " lease was lost with its worker" : " leases were lost with their workers");
  return "nothing was evaluated";
}

}  // namespace layernas::core
