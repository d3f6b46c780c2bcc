#include "client/lookup/network_meter.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/number.h"
#include "common/base/status_macros.h"
#include "common/spec/json.h"

namespace layernas::client {
namespace {

using nlohmann::json;

constexpr char kLatency[] = "latency_ms";
constexpr char kRatio[] = "latency_ratio";
constexpr char kReference[] = "latency_reference_ms";
// The quickest tenth of the measurements shows the quiet machine.
constexpr double kQuietShare = 0.1;

std::string Names(const Metrics& metrics) {
  std::string names;
  for (const auto& [name, value] : metrics) absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  return names;
}

bool IsCalibrated(const Metrics& metrics) {
  const auto reference = metrics.find(kReference);
  return metrics.contains(kRatio) && reference != metrics.end() && reference->second > 0;
}

// Most measurements decide, so that one that lacks the required metrics does not.
bool Calibrates(const std::string& metric, std::size_t calibrated, std::size_t measured) {
  return metric == kLatency && 2 * calibrated >= measured;
}

}  // namespace

absl::StatusOr<Evaluation> NetworkMeter::MakeRequest(std::span<const std::uint16_t> choices) const {
  Evaluation evaluation;
  evaluation.architecture_id = spec::FormatArchitectureId(spec_.space(), choices);
  evaluation.task = absl::StrCat("lookup-table/", spec_.name(), "/", evaluation.architecture_id);
  evaluation.seed = 1;
  evaluation.timeout = Millis(google::protobuf::util::TimeUtil::DurationToMilliseconds(spec_.evaluation().timeout()));
  json request = {{"seed", evaluation.seed}, {"work", {"measure"}}};
  LAYERNAS_ASSIGN_OR_RETURN(request["architecture"], spec::ToJson(spec::Resolve(spec_.space(), choices)));
  LAYERNAS_ASSIGN_OR_RETURN(request["network"], spec::ToJson(spec_.space().network()));
  LAYERNAS_ASSIGN_OR_RETURN(request["measure"], spec::ToJson(spec_.evaluation().measure()));
  evaluation.request = request.dump();
  return evaluation;
}

absl::StatusOr<std::optional<Metrics>> NetworkMeter::Measure(std::span<const std::uint16_t> choices,
                                                             std::stop_token stop) {
  LAYERNAS_ASSIGN_OR_RETURN(const Evaluation evaluation, MakeRequest(choices));
  std::string reason;
  for (int attempt = 0; attempt < spec_.evaluation().attempts(); ++attempt) {
    EvaluationOutcome outcome = evaluator_.Evaluate(evaluation, stop, [](const Progress&) {});
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    if (auto* result = std::get_if<EvaluationResult>(&outcome)) {
      if (const auto cost = result->metrics.find(metric_); cost != result->metrics.end() && std::isnan(cost->second)) {
        why_infeasible_ = absl::StrCat("metric ", cost->first, " is not a number");
        return std::nullopt;
      }
      std::erase_if(result->metrics, [](const auto& metric) { return std::isnan(metric.second); });
      return std::move(result->metrics);
    }
    const auto& failure = std::get<EvaluationFailure>(outcome);
    if (failure.kind == EvaluationFailure::Kind::kInfeasible) {
      why_infeasible_ = failure.message;
      return std::nullopt;
    }
    reason = failure.message;
  }
  return absl::AbortedError(absl::StrCat("architecture ", evaluation.architecture_id, " could not be measured in ",
                                         spec_.evaluation().attempts(), " attempts: ", reason));
}

absl::StatusOr<CostScale> CostScale::Find(std::string metric, std::span<const Metrics> measured) {
  CostScale scale(std::move(metric));
  std::vector<double> references;
  for (const Metrics& metrics : measured) {
    if (IsCalibrated(metrics)) references.push_back(metrics.at(kReference));
  }
  if (Calibrates(scale.metric_, references.size(), measured.size())) {
    std::sort(references.begin(), references.end());
    scale.quiet_reference_ms_ =
        references[static_cast<std::size_t>(kQuietShare * static_cast<double>(references.size()))];
    return scale;
  }
  if (std::none_of(measured.begin(), measured.end(),
                   [&scale](const Metrics& metrics) { return metrics.contains(scale.metric_); })) {
    return absl::FailedPreconditionError(
        absl::StrCat("the evaluator does not report ", scale.metric_, "; it reports ", Names(measured.front())));
  }
  return scale;
}

absl::StatusOr<double> CostScale::CostOf(const Metrics& measured) const {
  const bool calibrates = quiet_reference_ms_ > 0;
  if (calibrates && !IsCalibrated(measured)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the evaluator did not report ", kRatio, " and ", kReference, " as for other networks"));
  }
  if (!calibrates && !measured.contains(metric_)) {
    return absl::InvalidArgumentError(absl::StrCat("the evaluator did not report ", metric_, " as for other networks"));
  }
  const double cost = calibrates ? measured.at(kRatio) * quiet_reference_ms_ : measured.at(metric_);
  if (cost > 0) return cost;
  return absl::InvalidArgumentError(
      absl::StrCat("the evaluator reported a ", metric_, " of ", FormatNumber(cost), "; a table needs costs above 0"));
}

absl::Status CostCheck::Check(const Metrics& metrics) const {
  if (added_ == 0) {
    LAYERNAS_ASSIGN_OR_RETURN(const CostScale scale, CostScale::Find(metric_, std::span(&metrics, 1)));
    return scale.CostOf(metrics).status();
  }
  CostScale scale(metric_);
  // Whether a cost is above 0 does not depend on which of the references is the quiet machine's.
  if (Calibrates(metric_, calibrated_, added_)) scale.quiet_reference_ms_ = least_reference_ms_;
  return scale.CostOf(metrics).status();
}

void CostCheck::Add(const Metrics& metrics) {
  ++added_;
  if (!IsCalibrated(metrics)) return;
  ++calibrated_;
  least_reference_ms_ = std::min(least_reference_ms_, metrics.at(kReference));
}

}  // namespace layernas::client
