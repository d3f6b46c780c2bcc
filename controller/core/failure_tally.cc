#include "controller/core/failure_tally.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace layernas::core {

void FailureTally::Add(const AttemptFailure& failure) {
  if (failure.kind == FailureKind::kWorkerLost) return;
  if (failed_ == 0) first_worker_ = failure.worker;
  several_workers_ = several_workers_ || failure.worker != first_worker_;
  ++failed_;
  ++messages_[failure.message];
}

bool FailureTally::SpeaksAgainstSearch(int allowed, Others others) const {
  return failed_ >= allowed && (several_workers_ || others == Others::kNone);
}

std::string FailureTally::Commonest() const {
  const auto commonest = std::max_element(messages_.begin(), messages_.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
  if (commonest == messages_.end()) return "nothing was evaluated";
  return absl::StrCat("the commonest failure (", commonest->second, " times): ", commonest->first);
}

}  // namespace layernas::core
