#include "controller/core/strategies/guided/acquisition.h"

#include <algorithm>
#include <cmath>

namespace layernas::core {
namespace {

double NormalCdf(double z) { return 0.5 * std::erfc(-z * M_SQRT1_2); }

double NormalDensity(double z) { return std::exp(-0.5 * z * z) / std::sqrt(2 * M_PI); }

}  // namespace

double ExpectedImprovement(double mean, double deviation, double best) {
  if (deviation <= 0) return std::max(mean - best, 0.0);
  const double z = (mean - best) / deviation;
  return deviation * (z * NormalCdf(z) + NormalDensity(z));
}

double ProbabilityWithin(double mean, double deviation, double limit) {
  if (deviation <= 0) return mean <= limit ? 1 : 0;
  return NormalCdf((limit - mean) / deviation);
}

Deviations::Deviations(const Model& model, const std::vector<Architecture>& pool)
    : model_(model), pool_(pool), known_(model.Whitened(pool)), variances_(static_cast<Eigen::Index>(pool.size())) {
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const auto column = static_cast<Eigen::Index>(i);
    variances_[column] = model.PriorCovariance(pool[i], {pool[i]})[0] - known_.col(column).squaredNorm();
  }
}

void Deviations::Believe(std::size_t index) {
  const auto believed = static_cast<Eigen::Index>(index);
  Eigen::VectorXd covariance = model_.PriorCovariance(pool_[index], pool_);
  covariance -= known_.transpose() * known_.col(believed);
  for (const Eigen::VectorXd& earlier : beliefs_) covariance -= earlier[believed] * earlier;
  covariance /= std::sqrt(std::max(variances_[believed], 0.0) + model_.NoiseVariance());
  variances_ -= covariance.cwiseAbs2();
  beliefs_.push_back(std::move(covariance));
}

double Deviations::At(std::size_t index) const {
  return model_.scale() * std::sqrt(std::max(variances_[static_cast<Eigen::Index>(index)], 0.0));
}

}  // namespace layernas::core
