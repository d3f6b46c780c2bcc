// What went wrong in a search so far, and whether that is a reason to end it before anything has succeeded.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>

#include "controller/core/candidate.h"
#include "controller/core/candidate_queue.h"

namespace layernas::core {

// Failures to measure and to train are counted apart, and the first success of either forgives its own for good. Not
// thread-safe.
class FailureTally {
 public:
  // A failed attempt or a lost lease. `kind`: of its task.
  void Add(const AttemptFailure& failure, TaskKind kind);
  // A task of this kind has brought something usable.
  void Succeeded(TaskKind kind) { kinds_[static_cast<std::size_t>(kind)].succeeded = true; }
  // A candidate has succeeded, perhaps with a result of another search: all kinds of tasks can bring something usable.
  void SucceededInAll() {
    for (OfKind& kind : kinds_) kind.succeeded = true;
  }
  // Attempts that failed; lost leases say nothing about the search.
  int failed() const { return failed_; }
  // Whether so many failures at this kind of task without a success are the search's fault: `allowed` failed on the
  // only worker that there is, or on several. Then no worker counts for more than half of them, so that one bad worker
  // and a slip of another end nothing.
  bool SpeaksAgainstSearch(TaskKind kind, int allowed, Others others) const;
  // For people: "the commonest failure (3 times): …", with the first of the messages that differ in numbers only, "20
  // leases were lost with their workers", "nothing was evaluated".
  std::string Commonest() const;

 private:
  static constexpr std::size_t kKinds = 3;

  struct OfKind {
    bool succeeded = false;
    int failed = 0;
    std::map<std::string, int> by_worker;
  };

  std::array<OfKind, kKinds> kinds_;
  int failed_ = 0;
  int lost_ = 0;
  struct Message {
    int count = 0;
    std::string first;
  };
  // By the message without its numbers: the same failure names another time, size or process each time.
  std::map<std::string, Message> messages_;
};

}  // namespace layernas::core
