// What went wrong in a search so far, and whether that is a reason to end it before anything has succeeded.
#pragma once

#include <map>
#include <string>

#include "controller/core/candidate.h"
#include "controller/core/candidate_queue.h"

namespace layernas::core {

// Lost leases are not counted: a lost worker says nothing about the search. Not thread-safe.
class FailureTally {
 public:
  void Add(const AttemptFailure& failure);
  // Failed attempts so far.
  int failed() const { return failed_; }
  // Whether so many failures without a success are the search's fault: `allowed` failed, on at least two workers or on
  // the only one that there is.
  bool SpeaksAgainstSearch(int allowed, Others others) const;
  // For people: "the commonest failure (3 times): …"; "nothing was evaluated" if nothing failed.
  std::string Commonest() const;

 private:
  int failed_ = 0;
  std::string first_worker_;
  bool several_workers_ = false;
  std::map<std::string, int> messages_;
};

}  // namespace layernas::core
