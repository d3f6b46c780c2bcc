#include "client/lookup/design_meter.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/output/units.h"
#include "common/base/status_macros.h"
#include "common/spec/resolve.h"

namespace layernas::client {
namespace {

// If none of the first networks can be measured, none can.
constexpr int kMaxUselessAtFirst = 10;
// Maximum measurements of one network until one gives a cost, and of one with an implausible cost.
constexpr std::size_t kMaxReadings = 3;
// Two readings of one network that differ by a smaller factor confirm each other.
constexpr double kSame = 1.5;
// A cost is absurd if it is more than the factor away from the median of the networks. Unlike a
// prediction, the median does not depend on whether costs add up. Few networks differ from it by the
// first factor; if two readings say so, it is right. None differs by the second.
constexpr double kAbsurd = 100;
constexpr double kAbsurdThoughConfirmed = 1e6;

double MedianCost(std::vector<Sample> samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end(),
                   [](const Sample& a, const Sample& b) { return a.cost < b.cost; });
  return middle->cost;
}

bool Confirm(double a, double b) {
  const auto [least, most] = std::minmax(a, b);
  return most < kSame * least;
}

}  // namespace

std::string DesignMeter::IdOf(const DesignPoint& point) const {
  return spec::FormatArchitectureId(spec_.space(), point.choices);
}

// Costs of different machines or devices do not add up.
absl::Status DesignMeter::CheckSameMachine(const std::string& id, const Metrics& metrics) {
  const auto found = metrics.find(kFingerprint);
  if (found == metrics.end()) return absl::OkStatus();
  if (!first_fingerprint_) first_fingerprint_ = found->second;
  if (*first_fingerprint_ == found->second) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrFormat("architecture %s was measured on another machine or device than the others (%s %.17g, before "
                      "%.17g); make the evaluator use one device, and run this command again",
                      id, kFingerprint, found->second, *first_fingerprint_));
}

// Measures one network, and again if the result cannot be a cost: one bad measurement must not end
// a run of hours. Returns nothing, with the reason in `measured`, if the network is skipped. Fails
// if the evaluator does not report the metric, because other networks would fail too.
absl::StatusOr<std::optional<Metrics>> DesignMeter::MeasureOne(const DesignPoint& point, Measured& measured,
                                                               const std::stop_token& stop) {
  const std::string id = IdOf(point);
  for (std::size_t reading = 0; reading < kMaxReadings; ++reading) {
    LAYERNAS_ASSIGN_OR_RETURN(auto metrics, meter_.Measure(point.choices, stop));
    if (!metrics) {
      measured.last_reason = meter_.why_infeasible();
      return std::nullopt;
    }
    LAYERNAS_RETURN_IF_ERROR(CheckSameMachine(id, *metrics));
    LAYERNAS_RETURN_IF_ERROR(kept_.Add(id, *metrics));
    const absl::Status usable = check_.Check(*metrics);
    if (usable.ok()) return std::move(*metrics);
    if (!absl::IsInvalidArgument(usable)) return usable;
    measured.last_reason = std::string(usable.message());
  }
  progress_.LeftOut(id, measured.last_reason);
  return std::nullopt;
}

// Sets the kept measurements aside if they are from another machine or device than the evaluator
// uses now. Finding that out requires measuring a network again.
absl::Status DesignMeter::CheckMachine(const std::vector<DesignPoint>& design, const std::stop_token& stop) {
  for (const DesignPoint& point : design) {
    const std::string id = IdOf(point);
    const Metrics* const known = kept_.Find(id);
    if (known == nullptr || !known->contains(kFingerprint)) continue;
    const double before = known->at(kFingerprint);
    LAYERNAS_ASSIGN_OR_RETURN(const auto metrics, meter_.Measure(point.choices, stop));
    if (!metrics || !metrics->contains(kFingerprint) || metrics->at(kFingerprint) == before) return absl::OkStatus();
    LAYERNAS_RETURN_IF_ERROR(kept_.TakeUp(kFingerprint, metrics->at(kFingerprint)));
    progress_.SetAside(kept_.set_aside());
    return kept_.Add(id, *metrics);
  }
  return absl::OkStatus();
}

// Replaces `metrics` by those of the median reading, unless the second reading confirms the first:
// a network can really differ from what an additive model predicts. Returns whether another reading
// confirms the cost.
absl::StatusOr<bool> DesignMeter::Replace(const CostScale& scale, const DesignPoint& point, double predicted,
                                          Metrics& metrics, const std::stop_token& stop) {
  const std::string id = IdOf(point);
  std::vector<std::pair<double, Metrics>> readings = {{*scale.CostOf(metrics), metrics}};
  std::string all = FormatValue(readings[0].first);
  for (std::size_t reading = 1; reading < kMaxReadings; ++reading) {
    LAYERNAS_ASSIGN_OR_RETURN(auto again, meter_.Measure(point.choices, stop));
    if (!again) continue;
    LAYERNAS_RETURN_IF_ERROR(CheckSameMachine(id, *again));
    const absl::StatusOr<double> cost = scale.CostOf(*again);
    if (!cost.ok()) continue;
    absl::StrAppend(&all, ", ", FormatValue(*cost));
    readings.emplace_back(*cost, std::move(*again));
    if (reading == 1 && Confirm(readings[0].first, *cost)) break;
  }
  std::sort(readings.begin(), readings.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  // Of two, the one that the other networks predict.
  std::size_t best = readings.size() / 2;
  if (readings.size() == 2 && std::abs(readings[0].first - predicted) < std::abs(readings[1].first - predicted)) {
    best = 0;
  }
  const double cost = readings[best].first;
  const auto confirming = std::count_if(readings.begin(), readings.end(),
                                        [cost](const auto& reading) { return Confirm(reading.first, cost); });
  progress_.MeasuredAgain(id, absl::StrCat(metric_, " of ", all, "; the other networks predict ",
                                           FormatValue(predicted), "; uses ", FormatValue(cost)));
  metrics = std::move(readings[best].second);
  LAYERNAS_RETURN_IF_ERROR(kept_.Add(id, metrics));
  // The reading confirms itself.
  return confirming > 1;
}

absl::Status DesignMeter::MeasureAgain(Measured& measured, const std::stop_token& stop) {
  if (measured.points.empty()) return absl::OkStatus();
  LAYERNAS_ASSIGN_OR_RETURN(const CostScale scale, CostScale::Find(metric_, measured.metrics));
  std::vector<Sample> samples;
  // Index in `measured` of each sample.
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < measured.points.size(); ++i) {
    const absl::StatusOr<double> cost = scale.CostOf(measured.metrics[i]);
    if (!cost.ok()) continue;
    samples.push_back({measured.points[i].choices, *cost});
    indexes.push_back(i);
  }
  if (samples.empty()) return absl::OkStatus();
  progress_.Checking();
  LAYERNAS_ASSIGN_OR_RETURN(const std::vector<Implausible> implausible, FindImplausible(spec_.space(), samples, stop));
  const double median = MedianCost(samples);
  std::vector<std::size_t> absurd;
  for (const Implausible& one : implausible) {
    const std::size_t i = indexes[one.sample];
    LAYERNAS_ASSIGN_OR_RETURN(const bool confirmed,
                              Replace(scale, measured.points[i], one.predicted, measured.metrics[i], stop));
    const double cost = *scale.CostOf(measured.metrics[i]);
    const double factor = confirmed ? kAbsurdThoughConfirmed : kAbsurd;
    if (cost <= factor * median && median <= factor * cost) continue;
    measured.last_reason = absl::StrCat("its ", metric_, " of ", FormatValue(cost),
                                        " is absurd; the median of the networks is ", FormatValue(median));
    progress_.LeftOut(IdOf(measured.points[i]), measured.last_reason);
    absurd.push_back(i);
  }
  std::sort(absurd.rbegin(), absurd.rend());
  for (const std::size_t i : absurd) {
    measured.points.erase(measured.points.begin() + static_cast<std::ptrdiff_t>(i));
    measured.metrics.erase(measured.metrics.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return absl::OkStatus();
}

void DesignMeter::Take(const DesignPoint& point, Metrics metrics, Measured& measured) {
  check_.Add(metrics);
  measured.points.push_back(point);
  measured.metrics.push_back(std::move(metrics));
}

absl::StatusOr<Measured> DesignMeter::MeasureAll(const std::vector<DesignPoint>& design, const std::stop_token& stop) {
  LAYERNAS_RETURN_IF_ERROR(CheckMachine(design, stop));
  Measured measured;
  for (std::size_t i = 0; i < design.size(); ++i) {
    const std::string id = IdOf(design[i]);
    if (const Metrics* known = kept_.Find(id); known != nullptr && check_.Check(*known).ok()) {
      if (!CheckSameMachine(id, *known).ok()) {
        return absl::DataLossError(absl::StrCat(
            kept_.path(), " has measurements of several machines or devices; remove it, and run this command again"));
      }
      Take(design[i], *known, measured);
      progress_.Known();
      continue;
    }
    LAYERNAS_ASSIGN_OR_RETURN(auto metrics, MeasureOne(design[i], measured, stop));
    if (metrics) Take(design[i], std::move(*metrics), measured);
    if (measured.points.empty() && i + 1 >= std::min<std::size_t>(kMaxUselessAtFirst, design.size())) {
      return absl::FailedPreconditionError(
          absl::StrCat("none of the first ", i + 1, " networks could be measured: ", measured.last_reason));
    }
    progress_.Done(i + 1);
  }
  LAYERNAS_RETURN_IF_ERROR(MeasureAgain(measured, stop));
  return measured;
}

}  // namespace layernas::client
