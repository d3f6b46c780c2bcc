// Measures networks with an evaluator of this machine, without training them.
#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/spec/resolve.h"
#include "layernas/v1/spec.pb.h"
#include "worker/evaluator/evaluator.h"

namespace layernas::client {

// Not thread-safe.
class NetworkMeter {
 public:
  // `spec` is complete (spec::WithDefaults); its evaluation says how often to try and how long to wait. `metric` is
  // what the networks are measured for. Evaluator and spec must outlive the meter.
  NetworkMeter(Evaluator& evaluator, const v1::SearchSpec& spec, std::string metric)
      : evaluator_(evaluator), spec_(spec), metric_(std::move(metric)) {}

  // Its metrics; nothing where the network can't be built, or the metric is not a number, and why_infeasible() is then
  // the reason. ABORTED when no attempt succeeded, with the last one's reason; CANCELLED once `stop` is requested.
  absl::StatusOr<std::optional<Metrics>> Measure(std::span<const std::uint16_t> choices, std::stop_token stop);
  const std::string& why_infeasible() const { return why_infeasible_; }

 private:
  absl::StatusOr<Evaluation> MakeRequest(std::span<const std::uint16_t> choices) const;

  Evaluator& evaluator_;
  const v1::SearchSpec& spec_;
  const std::string metric_;
  std::string why_infeasible_;
};

// The costs of networks that were measured on one machine.
class CostScale {
 public:
  // Of what was measured, at least one. latency_ms is taken calibrated, where the evaluator has what it needs: the
  // network's ratio to the reference, times what the reference takes when the machine is quiet (docs/measuring.md).
  // FAILED_PRECONDITION where an answer lacks the metric.
  static absl::StatusOr<CostScale> Find(std::string metric, std::span<const Metrics> measured);

  // INVALID_ARGUMENT for a cost that is not above 0.
  absl::StatusOr<double> CostOf(const Metrics& measured) const;
  // Milliseconds; 0 where the metric is taken as it was measured.
  double quiet_reference_ms() const { return quiet_reference_ms_; }

 private:
  explicit CostScale(std::string metric) : metric_(std::move(metric)) {}

  std::string metric_;
  double quiet_reference_ms_ = 0;
};

}  // namespace layernas::client
