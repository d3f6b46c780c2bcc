// How much an evaluation promises: the improvement expected over the best known, times the probability that the cost
// meets its limit (Jones et al. 1998; Gardner et al. 2014).
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <vector>

#include "controller/core/strategies/guided/model.h"

namespace layernas::core {

// E[max(X - best, 0)] of a normal X.
double ExpectedImprovement(double mean, double deviation, double best);

// P(X <= limit) of a normal X.
double ProbabilityWithin(double mean, double deviation, double limit);

// Standard deviations of a model's predictions for a pool of architectures, noise left out, while evaluations are under
// way: each is taken to bring what is predicted (kriging believer; Ginsbourger et al. 2010), which leaves the
// predictions as they are and lowers the deviations around it.
class Deviations {
 public:
  // `model` and `pool` must outlive this and stay as they are.
  Deviations(const Model& model, const std::vector<Architecture>& pool);

  // An evaluation of pool[index] is under way.
  void Believe(std::size_t index);

  // In the values' own unit.
  double At(std::size_t index) const;

 private:
  const Model& model_;
  const std::vector<Architecture>& pool_;
  // [value][in pool]: what the model's values say of the pool's prior covariance.
  Eigen::MatrixXd known_;
  // [belief][in pool]: the same of each belief, given the ones before it.
  std::vector<Eigen::VectorXd> beliefs_;
  Eigen::VectorXd variances_;
};

}  // namespace layernas::core
