// Measures networks with an evaluator on this machine, without training them.
#pragma once

#include <cstddef>
#include <limits>
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

// The metric that identifies the machine and device of a measurement (docs/evaluators.md).
inline constexpr char kFingerprint[] = "machine_fingerprint";

// Not thread-safe.
class NetworkMeter {
 public:
  // `spec` must have its defaults (spec::WithDefaults); its evaluation sets the attempts and the
  // timeout. `metric` is the metric to measure. `evaluator` and `spec` must outlive the meter.
  NetworkMeter(Evaluator& evaluator, const v1::SearchSpec& spec, std::string metric)
      : evaluator_(evaluator), spec_(spec), metric_(std::move(metric)) {}

  // Returns the metrics. Returns nothing if the network cannot be built or the metric is not a
  // number; why_infeasible() then has the reason. ABORTED if no attempt succeeded, with the reason
  // of the last attempt. CANCELLED once `stop` is requested.
  absl::StatusOr<std::optional<Metrics>> Measure(std::span<const std::uint16_t> choices, std::stop_token stop);
  const std::string& why_infeasible() const { return why_infeasible_; }

 private:
  absl::StatusOr<Evaluation> MakeRequest(std::span<const std::uint16_t> choices) const;

  Evaluator& evaluator_;
  const v1::SearchSpec& spec_;
  const std::string metric_;
  std::string why_infeasible_;
};

// Converts metrics that were measured on one machine to costs.
class CostScale {
 public:
  // `measured` must not be empty. latency_ms is calibrated if at least half of the measurements have
  // the required metrics: the ratio of the network to the reference network, times the time of the
  // reference network on the quiet machine (docs/measuring.md). FAILED_PRECONDITION if every
  // measurement lacks the metric.
  static absl::StatusOr<CostScale> Find(std::string metric, std::span<const Metrics> measured);

  // INVALID_ARGUMENT if `measured` lacks the metric, or a metric that the calibration requires, and
  // for a cost that is not above 0.
  absl::StatusOr<double> CostOf(const Metrics& measured) const;
  // Milliseconds; 0 if the metric is used as measured.
  double quiet_reference_ms() const { return quiet_reference_ms_; }

 private:
  friend class CostCheck;
  explicit CostScale(std::string metric) : metric_(std::move(metric)) {}

  std::string metric_;
  double quiet_reference_ms_ = 0;
};

// Checks measurements as they come, each in constant time. Not thread-safe.
class CostCheck {
 public:
  explicit CostCheck(std::string metric) : metric_(std::move(metric)) {}

  // Returns OK if the metrics of one network have the cost, with a value that a table can hold, and
  // have what those that were added have. INVALID_ARGUMENT otherwise; FAILED_PRECONDITION if none
  // was added and the metrics lack the cost.
  absl::Status Check(const Metrics& metrics) const;
  void Add(const Metrics& metrics);

 private:
  const std::string metric_;
  std::size_t added_ = 0;
  std::size_t calibrated_ = 0;
  // The least that was added.
  double least_reference_ms_ = std::numeric_limits<double>::infinity();
};

}  // namespace layernas::client
