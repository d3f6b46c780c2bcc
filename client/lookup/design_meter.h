// Measures the networks of a design, so that one bad reading costs at most one network.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lookup/additive_fit.h"
#include "client/lookup/design.h"
#include "client/lookup/kept_measurements.h"
#include "client/lookup/measure_progress.h"
#include "client/lookup/network_meter.h"
#include "layernas/v1/spec.pb.h"
#include "worker/evaluator/evaluator.h"

namespace layernas::client {

// The networks that were not skipped.
struct Measured {
  std::vector<DesignPoint> points;
  // In the order of `points`.
  std::vector<Metrics> metrics;
  // Why the last network was skipped; empty if none was.
  std::string last_reason;
};

// Not thread-safe.
class DesignMeter {
 public:
  // As for NetworkMeter; `kept` and `progress` must outlive the meter too.
  DesignMeter(Evaluator& evaluator, const v1::SearchSpec& spec, std::string metric, KeptMeasurements& kept,
              MeasureProgress& progress)
      : meter_(evaluator, spec, metric),
        spec_(spec),
        metric_(metric),
        kept_(kept),
        progress_(progress),
        check_(std::move(metric)) {}

  // Measures what is not kept, and measures again what is implausible: the median of three readings
  // counts. Skips a network, and names it, if it cannot be measured, or if its cost is absurd: a
  // hundred times the median of the networks or a hundredth, or a million times if two readings
  // agree. FAILED_PRECONDITION if the evaluator does not report the
  // metric, if none of the first networks can be measured, or if the machine changes. DATA_LOSS if
  // the kept measurements are of several machines. CANCELLED once `stop` is requested.
  absl::StatusOr<Measured> MeasureAll(const std::vector<DesignPoint>& design, const std::stop_token& stop);

 private:
  absl::Status CheckMachine(const std::vector<DesignPoint>& design, const std::stop_token& stop);
  absl::Status CheckSameMachine(const std::string& id, const Metrics& metrics);
  absl::StatusOr<std::optional<Metrics>> MeasureOne(const DesignPoint& point, Measured& measured,
                                                    const std::stop_token& stop);
  absl::Status MeasureAgain(Measured& measured, const std::stop_token& stop);
  absl::StatusOr<bool> Replace(const CostScale& scale, const DesignPoint& point, double predicted, Metrics& metrics,
                               const std::stop_token& stop);
  void Take(const DesignPoint& point, Metrics metrics, Measured& measured);
  std::string IdOf(const DesignPoint& point) const;

  NetworkMeter meter_;
  const v1::SearchSpec& spec_;
  const std::string metric_;
  KeptMeasurements& kept_;
  MeasureProgress& progress_;
  // Has the measurements of the networks that were not skipped.
  CostCheck check_;
  // The fingerprint of the first measurement that had one.
  std::optional<double> first_fingerprint_;
};

}  // namespace layernas::client
