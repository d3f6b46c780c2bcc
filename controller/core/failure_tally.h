// The failures of a search so far, and whether they justify ending it before its first success.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>

#include "controller/core/candidate.h"
#include "controller/core/candidate_queue.h"

namespace layernas::core {

// Failures to measure and to train are counted separately. The first success of a kind clears its
// failures for good. Not thread-safe.
class FailureTally {
 public:
  // Adds a failed attempt or a lost lease. `kind` is the kind of its task.
  void Add(const AttemptFailure& failure, TaskKind kind);
  // A lease that was added as lost was not.
  void WithdrawLost() { --lost_; }
  // A task of this kind has produced something usable.
  void Succeeded(TaskKind kind) { kinds_[static_cast<std::size_t>(kind)].succeeded = true; }
  // A candidate has succeeded, perhaps with a result of another search: all kinds of tasks can
  // produce something usable.
  void SucceededInAll() {
    for (OfKind& kind : kinds_) kind.succeeded = true;
  }
  // Returns the number of failed attempts. Lost leases say nothing about the search and are not
  // included.
  int failed() const { return failed_; }
  // Returns whether the search is to blame for its failures at this kind of task. It is if
  // `allowed` attempts failed without a success, on the only worker or on several. With several,
  // each worker counts for at most half of them. So one bad worker and a single failure on another
  // do not end the search.
  bool SpeaksAgainstSearch(TaskKind kind, int allowed, Others others) const;
  // Returns a message for people: "the most common failure (3 times): …", "20 leases were lost with
  // their workers", or "nothing was evaluated". Failures whose messages differ only in numbers
  // count as one; the first message is shown.
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
  // By the message without its numbers, because the same failure mentions another time, size or
  // process each time.
  std::map<std::string, Message> messages_;
};

}  // namespace layernas::core
