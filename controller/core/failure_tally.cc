#include "controller/core/failure_tally.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace layernas::core {
namespace {

std::string WithoutNumbers(const std::string& message) {
  std::string text;
  for (const char c : message) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      text += c;
    } else if (text.empty() || text.back() != '0') {
      text += '0';
    }
  }
  return text;
}

}  // namespace

void FailureTally::Add(const AttemptFailure& failure, TaskKind kind) {
  if (failure.kind == FailureKind::kWorkerLost) {
    ++lost_;
    return;
  }
  OfKind& of_kind = kinds_[static_cast<std::size_t>(kind)];
  ++of_kind.failed;
  ++of_kind.by_worker[failure.worker];
  ++failed_;
  Message& message = messages_[WithoutNumbers(failure.message)];
  if (++message.count == 1) message.first = failure.message;
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
                                          [](const auto& a, const auto& b) { return a.second.count < b.second.count; });
  if (commonest != messages_.end()) {
    const auto& [count, first] = commonest->second;
    return absl::StrCat("the most common failure (", count, count == 1 ? " time" : " times", "): ", first);
  }
  if (lost_ > 0)
    return absl::StrCat(lost_, lost_ == 1 ? " lease was lost with its worker" : " leases were lost with their workers");
  return "nothing was evaluated";
}

}  // namespace layernas::core
