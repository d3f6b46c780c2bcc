// A model of a value over the space, fitted to results.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "controller/core/architecture.h"

namespace layernas::bench {

struct Prediction {
  Eigen::VectorXd mean;
  // Standard deviation of what is not known of the expected value; without the noise of a training.
  Eigen::VectorXd deviation;
};

class Surrogate {
 public:
  virtual ~Surrogate() = default;
  // `values` have mean 0 and variance 1.
  virtual void Fit(const std::vector<core::Architecture>& architectures, const Eigen::VectorXd& values) = 0;
  virtual Prediction Predict(const std::vector<core::Architecture>& architectures) const = 0;
};

}  // namespace layernas::bench
