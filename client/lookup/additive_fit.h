// Costs of options from costs of whole networks: a regression, without anything of how they were measured.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/spec/resolve.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct Sample {
  spec::Choices choices;
  // What the whole network costs; > 0.
  double cost = 0;
};

// The cost of an architecture is `base` plus one number per layer.
struct AdditiveCosts {
  double base = 0;
  // By layer and option; not negative, the least of each layer is 0.
  std::vector<std::vector<double>> options;

  double Predict(std::span<const std::uint16_t> choices) const;
};

// Unknowns of such a model: a base, and what each further option of a layer differs by.
int Unknowns(const v1::Space& space);

// Least squares of relative errors, with a ridge that shrinks the options of a layer towards each other; its strength
// is the one that predicts best what is left out (leave-one-out over `samples`). FAILED_PRECONDITION names an option
// that no sample has, or says that there are too few samples; INVALID_ARGUMENT for spaces beyond 2,000 unknowns.
absl::StatusOr<AdditiveCosts> FitAdditiveCosts(const v1::Space& space, std::span<const Sample> samples);

// How far predictions are off: |predicted - measured| / measured.
struct PredictionError {
  int networks = 0;
  double median = 0;
  // Nearest-rank quantile.
  double p90 = 0;
  double worst = 0;
  // Rank correlation of predicted and measured; 0 where either is constant.
  double spearman = 0;
};

// Requires at least one sample. Honest only of samples that the fit has not seen.
PredictionError MeasureError(const AdditiveCosts& costs, std::span<const Sample> samples);

}  // namespace layernas::client
