// What a result must hold to be one.
#pragma once

#include <string>

#include "controller/core/candidate.h"
#include "controller/core/search_config.h"

namespace layernas::core {

struct ResultCheck {
  // With the metrics that are not finite and that nothing depends on left out.
  Metrics metrics;
  // Why it is not a result of such a task; empty if it is one.
  std::string invalid;
  // It is no result because the reward or the cost is not a finite number: training diverged, and would do so again.
  bool diverged = false;
};

// A result must hold the reward unless the task was to measure, and the cost unless that is known per layer or the task
// was to train; both finite, and the cost not negative.
ResultCheck CheckResult(const SearchConfig& config, const Metrics& metrics, TaskKind kind);

// Whether all of `some` are in `all`, with the same values.
bool Contains(const Metrics& all, const Metrics& some);

}  // namespace layernas::core
