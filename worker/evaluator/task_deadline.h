// The deadline of an evaluator's task.
#pragma once

#include <algorithm>

#include "common/base/clock.h"

namespace layernas {

// The timeout counts from the start of the task. While the evaluator says that it loads data, the
// timeout counts from its last such message: loading serves all following tasks and is not part of
// this one. Loading has a maximum time too, and is over when an epoch has been reported. Not
// thread-safe.
class TaskDeadline {
 public:
  // All durations must be > 0.
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
