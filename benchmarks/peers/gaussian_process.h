#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <vector>

#include "benchmarks/peers/surrogate.h"

namespace layernas::bench {

// A Gaussian process with the kernel s² exp(-Σ w_l [a_l ≠ b_l]): one weight per layer (automatic
// relevance determination of the exponentiated Hamming distance; Wan et al. 2021, "Think Global and
// Act Local", equation 4). Hyperparameters maximise the posterior (Rasmussen and Williams 2006,
// chapter 5, with log-normal priors) by Rprop (Blum and Riedmiller 2013). Each Fit() starts from the
// hyperparameters of the last one.
class GaussianProcess final : public Surrogate {
 public:
  explicit GaussianProcess(std::size_t layers);
  void Fit(const std::vector<core::Architecture>& architectures, const Eigen::VectorXd& values) override;
  Prediction Predict(const std::vector<core::Architecture>& architectures) const override;

  // Logarithms of: variance of the signal, variance of the noise, weight of each layer.
  const Eigen::VectorXd& hyperparameters() const { return logs_; }
  // Returns the logarithm of the posterior of the hyperparameters, without its constant, and its
  // gradient.
  static double LogPosterior(const std::vector<core::Architecture>& architectures, const Eigen::VectorXd& values,
                             const Eigen::VectorXd& logs, Eigen::VectorXd& gradient);

 private:
  Eigen::VectorXd logs_;
  bool is_fitted_ = false;
  std::vector<core::Architecture> architectures_;
  Eigen::LLT<Eigen::MatrixXd> factor_;
  // Inverse covariance times the values.
  Eigen::VectorXd weights_;
};

}  // namespace layernas::bench
