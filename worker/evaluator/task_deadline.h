// Until when an evaluator may take for one task.
#pragma once

#include <algorithm>

#include "common/base/clock.h"

namespace layernas {

// The time-out counts from the start of the task. While the evaluator says that it loads data, it counts from the last
// time that it said so: loading is work for all tasks that follow, and not part of this one. Loading is bounded too,
// and is over once an epoch was reported. Not thread-safe.
class TaskDeadline {
 public:
  // All times are > 0.
  TaskDeadline(SteadyTime start, Millis timeout, Millis longest_loading)
      : timeout_(timeout), latest_(start + longest_loading + timeout), at_(start + timeout) {}

  void Loads(SteadyTime now) {
    if (!trains_) at_ = std::max(at_, std::min(now + timeout_, latest_));
  }
  void Trains() { trains_ = true; }

  SteadyTime at() const { return at_; }

 private:
  const Millis timeout_;
  const SteadyTime latest_;
  SteadyTime at_;
  bool trains_ = false;
};

}  // namespace layernas
