// Acquisition functions: the expected improvement over the best known result, times the probability
// that the cost meets its limit (Jones et al. 1998; Gardner et al. 2014).
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <vector>

#include "controller/core/strategies/guided/model.h"

namespace layernas::core {

// Returns E[max(X - best, 0)] of a normal X.
double ExpectedImprovement(double mean, double deviation, double best);

// Returns P(X <= limit) of a normal X.
double ProbabilityWithin(double mean, double deviation, double limit);

// Standard deviations of a model's predictions, without noise, for a pool of architectures while
// evaluations are in progress. Each of these is assumed to return its prediction (kriging believer;
// Ginsbourger et al. 2010). This keeps the predictions and lowers the deviations near these
// architectures.
class Deviations {
 public:
  // `model` and `pool` must outlive this object and must not change.
  Deviations(const Model& model, const std::vector<Architecture>& pool);

  // An evaluation of pool[index] is in progress.
  void Believe(std::size_t index);

  // Returns the deviation in the unit of the values.
  double At(std::size_t index) const;

 private:
  const Model& model_;
  const std::vector<Architecture>& pool_;
  // [value][in pool]: whitened covariance of the model's values with the pool.
  Eigen::MatrixXd known_;
  // [belief][in pool]: the same for each belief, given the earlier ones.
  std::vector<Eigen::VectorXd> beliefs_;
  Eigen::VectorXd variances_;
};

}  // namespace layernas::core
