#pragma once

#include <Eigen/Core>
#include <vector>

#include "common/base/random.h"

namespace layernas::bench {

// A network of fully connected layers with ReLU, trained on the absolute error by Adam (Kingma and Ba
// 2015) in batches.
class Perceptron {
 public:
  // `inputs`: one column per example.
  Perceptron(const Eigen::MatrixXd& inputs, const Eigen::VectorXd& values, RandomStream& random);
  // Returns one value per column.
  Eigen::VectorXd Predict(const Eigen::MatrixXd& inputs) const;

 private:
  struct Layer {
    Eigen::MatrixXd weights;
    Eigen::VectorXd bias;
  };
  std::vector<Layer> layers_;
};

}  // namespace layernas::bench
