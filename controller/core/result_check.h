// Checks whether a result is valid.
#pragma once

#include <string>

#include "controller/core/candidate.h"
#include "controller/core/search_config.h"

namespace layernas::core {

struct ResultCheck {
  // The metrics, without those that are not finite and not needed.
  Metrics metrics;
  // Why it is not a valid result of such a task; empty if it is.
  std::string invalid;
  // The result is invalid because the reward or the cost is not finite: the training diverged and
  // would diverge again.
  bool diverged = false;
};

// Checks a result. It must contain the reward, unless the task was only to measure. It must contain
// the cost, unless that is known per layer or the task was only to train. Both must be finite, and
// the cost must not be negative.
ResultCheck CheckResult(const SearchConfig& config, const Metrics& metrics, TaskKind kind);

// Returns whether `all` contains all metrics of `some`, with the same values.
bool Contains(const Metrics& all, const Metrics& some);

}  // namespace layernas::core
