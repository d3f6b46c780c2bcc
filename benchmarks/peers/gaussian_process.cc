#include "benchmarks/peers/gaussian_process.h"

#include <algorithm>
#include <cmath>

namespace layernas::bench {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kFirstSteps = 60;
constexpr int kLaterSteps = 12;
// Bounds of the logarithms.
constexpr double kLowest = -12;
constexpr double kHighest = 6;
// Candidates that are predicted together.
constexpr std::ptrdiff_t kBlock = 512;

// Log-normal priors: the mean and deviation of each logarithm. By default all layers together
// decorrelate two architectures, and a tenth of the variance is noise.
struct Prior {
  double mean;
  double deviation;
};
Prior PriorOf(std::ptrdiff_t at, std::size_t layers) {
  if (at == 0) return {0, 1};
  if (at == 1) return {std::log(0.1), 1.5};
  return {std::log(2.0 / static_cast<double>(layers)), 1};
}

// Returns the correlation of two architectures.
double Correlation(const core::Architecture& a, const core::Architecture& b, const VectorXd& weights) {
  double distance = 0;
  for (std::size_t layer = 0; layer < a.size(); ++layer) {
    if (a[layer] != b[layer]) distance += weights[static_cast<std::ptrdiff_t>(layer)];
  }
  return std::exp(-distance);
}

VectorXd WeightsOf(const VectorXd& logs) { return logs.tail(logs.size() - 2).array().exp(); }

// Returns the covariance of the expected values.
MatrixXd SignalOf(const std::vector<core::Architecture>& architectures, const VectorXd& logs) {
  const auto count = static_cast<std::ptrdiff_t>(architectures.size());
  const VectorXd weights = WeightsOf(logs);
  const double variance = std::exp(logs[0]);
  MatrixXd signal(count, count);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    signal(i, i) = variance;
    for (std::ptrdiff_t j = 0; j < i; ++j) {
      signal(i, j) = signal(j, i) = variance * Correlation(architectures[i], architectures[j], weights);
    }
  }
  return signal;
}

MatrixXd WithNoise(MatrixXd signal, const VectorXd& logs) {
  signal.diagonal().array() += std::exp(logs[1]) + 1e-8;
  return signal;
}

}  // namespace

GaussianProcess::GaussianProcess(std::size_t layers) : logs_(static_cast<std::ptrdiff_t>(layers) + 2) {
  for (std::ptrdiff_t at = 0; at < logs_.size(); ++at) logs_[at] = PriorOf(at, layers).mean;
}

double GaussianProcess::LogPosterior(const std::vector<core::Architecture>& architectures, const VectorXd& values,
                                     const VectorXd& logs, VectorXd& gradient) {
  const MatrixXd signal = SignalOf(architectures, logs);
  const Eigen::LLT<MatrixXd> factor(WithNoise(signal, logs));
  const VectorXd weights = factor.solve(values);
  const MatrixXd triangle = factor.matrixL();
  double posterior = -0.5 * values.dot(weights) - triangle.diagonal().array().log().sum();

  // The derivative is tr((αα' - K⁻¹) dK) / 2 (Rasmussen and Williams 2006, equation 5.9).
  MatrixXd inner = weights * weights.transpose() - factor.solve(MatrixXd::Identity(signal.rows(), signal.cols()));
  gradient = VectorXd::Zero(logs.size());
  gradient[1] = 0.5 * std::exp(logs[1]) * inner.trace();
  inner.array() *= signal.array();
  gradient[0] = 0.5 * inner.sum();
  const VectorXd of_layer = WeightsOf(logs);
  for (std::ptrdiff_t i = 0; i < signal.rows(); ++i) {
    for (std::ptrdiff_t j = 0; j < i; ++j) {
      const core::Architecture& a = architectures[i];
      const core::Architecture& b = architectures[j];
      // Both halves of the symmetric matrix.
      for (std::size_t layer = 0; layer < a.size(); ++layer) {
        if (a[layer] != b[layer]) gradient[static_cast<std::ptrdiff_t>(layer) + 2] -= inner(i, j);
      }
    }
  }
  gradient.tail(of_layer.size()).array() *= of_layer.array();

  for (std::ptrdiff_t at = 0; at < logs.size(); ++at) {
    const Prior prior = PriorOf(at, static_cast<std::size_t>(of_layer.size()));
    const double off = (logs[at] - prior.mean) / prior.deviation;
    posterior -= 0.5 * off * off;
    gradient[at] -= off / prior.deviation;
  }
  return posterior;
}

void GaussianProcess::Fit(const std::vector<core::Architecture>& architectures, const VectorXd& values) {
  // Rprop without weight backtracking (Riedmiller 1994): steps by the sign of the derivative.
  VectorXd steps = VectorXd::Constant(logs_.size(), is_fitted_ ? 0.05 : 0.2);
  VectorXd before = VectorXd::Zero(logs_.size());
  VectorXd gradient;
  for (int step = 0; step < (is_fitted_ ? kLaterSteps : kFirstSteps); ++step) {
    LogPosterior(architectures, values, logs_, gradient);
    for (std::ptrdiff_t at = 0; at < logs_.size(); ++at) {
      const double same = gradient[at] * before[at];
      if (same > 0) steps[at] = std::min(steps[at] * 1.2, 1.0);
      if (same < 0) {
        steps[at] = std::max(steps[at] * 0.5, 1e-3);
        gradient[at] = 0;
      }
      const double sign = gradient[at] > 0 ? 1 : gradient[at] < 0 ? -1 : 0;
      logs_[at] = std::clamp(logs_[at] + sign * steps[at], kLowest, kHighest);
    }
    before = gradient;
  }
  is_fitted_ = true;
  architectures_ = architectures;
  factor_.compute(WithNoise(SignalOf(architectures_, logs_), logs_));
  weights_ = factor_.solve(values);
}

Prediction GaussianProcess::Predict(const std::vector<core::Architecture>& architectures) const {
  const auto count = static_cast<std::ptrdiff_t>(architectures.size());
  const auto known = static_cast<std::ptrdiff_t>(architectures_.size());
  const VectorXd weights = WeightsOf(logs_);
  const double variance = std::exp(logs_[0]);
  Prediction prediction{VectorXd(count), VectorXd(count)};
  for (std::ptrdiff_t from = 0; from < count; from += kBlock) {
    const std::ptrdiff_t size = std::min(kBlock, count - from);
    MatrixXd cross(known, size);
    for (std::ptrdiff_t j = 0; j < size; ++j) {
      for (std::ptrdiff_t i = 0; i < known; ++i) {
        cross(i, j) = variance * Correlation(architectures_[i], architectures[from + j], weights);
      }
    }
    prediction.mean.segment(from, size) = cross.transpose() * weights_;
    factor_.matrixL().solveInPlace(cross);
    prediction.deviation.segment(from, size) =
        (variance - cross.colwise().squaredNorm().array()).max(1e-12).sqrt().matrix().transpose();
  }
  return prediction;
}

}  // namespace layernas::bench
