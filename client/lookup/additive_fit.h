// Fits costs of options to costs of whole networks. A pure regression: how the costs were measured
// does not matter.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <vector>

#include "absl/status/statusor.h"
#include "common/spec/resolve.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct Sample {
  spec::Choices choices;
  // Cost of the whole network; > 0.
  double cost = 0;
};

// The cost of an architecture is `base` plus one cost per layer.
struct AdditiveCosts {
  double base = 0;
  // By layer and option. Not negative; the minimum of each layer is 0.
  std::vector<std::vector<double>> options;

  double Predict(std::span<const std::uint16_t> choices) const;
};

// Returns the number of unknowns of the model: the base, and one cost for each option except one
// per layer.
int Unknowns(const v1::Space& space);

// Returns INVALID_ARGUMENT if the space has more costs than FitAdditiveCosts() can determine.
absl::Status CheckCostCount(const v1::Space& space);

// Least squares of relative errors, with a ridge that shrinks the options of a layer towards each
// other. The strength of the ridge is chosen by leave-one-out prediction over `samples`.
// FAILED_PRECONDITION names an option that no sample has, or says that there are too few samples.
// INVALID_ARGUMENT for a space with more than 2,000 unknowns. CANCELLED once `stop` is requested:
// many unknowns take minutes.
absl::StatusOr<AdditiveCosts> FitAdditiveCosts(const v1::Space& space, std::span<const Sample> samples,
                                               const std::stop_token& stop = {});

// A sample whose cost may be a wrong reading.
struct Implausible {
  std::size_t sample = 0;
  // By the plausible samples. Not above 0 if the costs do not add up.
  double predicted = 0;
};

// Returns the samples whose cost is more than twice or less than half of what the others predict,
// and far from it compared with most samples; the most implausible first. At most 3 plus a
// twentieth of the samples, and at most 10. If costs do not add up, right readings can be among
// them. Empty for a space with more than 2,000 unknowns. CANCELLED once `stop` is requested. Takes
// no longer than FitAdditiveCosts().
absl::StatusOr<std::vector<Implausible>> FindImplausible(const v1::Space& space, std::span<const Sample> samples,
                                                         const std::stop_token& stop = {});

// Prediction error: |predicted - measured| / measured.
struct PredictionError {
  int networks = 0;
  double median = 0;
  // Nearest-rank quantile.
  double p90 = 0;
  double worst = 0;
  // Rank correlation of predicted and measured costs; 0 if either is constant.
  double spearman = 0;
};

// Requires at least one sample. Meaningful only for samples that were not used in the fit.
PredictionError MeasureError(const AdditiveCosts& costs, std::span<const Sample> samples);

}  // namespace layernas::client
