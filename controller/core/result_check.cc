#include "controller/core/result_check.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/number.h"

namespace layernas::core {

ResultCheck CheckResult(const SearchConfig& config, const Metrics& metrics, TaskKind kind) {
  ResultCheck check;
  const bool needs_reward = kind != TaskKind::kMeasure;
  const bool needs_cost = kind != TaskKind::kTrain && !config.space.CostIsPerLayer();
  const auto is_needed = [&](const std::string& name) {
    return (needs_reward && name == config.reward_metric) || (needs_cost && name == config.cost_metric);
  };
  std::vector<std::pair<std::string, double>> finite;
  for (const auto& [name, value] : metrics) {
    if (std::isfinite(value)) {
      finite.emplace_back(name, value);
    } else if (is_needed(name)) {
      check.diverged = true;
      check.invalid = absl::StrCat("the metric ", name, " is not a finite number");
    }
  }
  check.metrics = Metrics(std::move(finite));
  if (!check.invalid.empty()) return check;
  for (const std::string& name : {config.reward_metric, config.cost_metric}) {
    if (!is_needed(name) || check.metrics.Find(name)) continue;
    check.invalid = absl::StrCat(
        "the result lacks the metric ", name, "; it has ",
        check.metrics.empty() ? "none"
                              : absl::StrJoin(check.metrics, ", ", [](std::string* out, const Metrics::Entry& metric) {
                                  absl::StrAppend(out, metric.name);
                                }));
    return check;
  }
  if (needs_cost && *check.metrics.Find(config.cost_metric) < 0) {
    check.invalid = absl::StrCat("the cost ", config.cost_metric,
                                 " is negative: ", FormatNumber(*check.metrics.Find(config.cost_metric)));
  }
  return check;
}

bool Contains(const Metrics& all, const Metrics& some) {
  for (const auto& [name, value] : some) {
    if (all.Find(name) != value) return false;
  }
  return true;
}

}  // namespace layernas::core
