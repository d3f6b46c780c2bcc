#include "benchmarks/peers/perceptron.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace layernas::bench {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kHiddenLayers = 3;
constexpr std::ptrdiff_t kWidth = 32;
constexpr int kEpochs = 150;
constexpr std::size_t kBatch = 32;
constexpr double kRate = 0.01;

// One parameter's moments (Kingma and Ba 2015, algorithm 1).
struct Moments {
  MatrixXd first;
  MatrixXd second;

  MatrixXd StepFor(const MatrixXd& gradient, int step) {
    if (first.size() == 0) first = second = MatrixXd::Zero(gradient.rows(), gradient.cols());
    first = 0.9 * first + 0.1 * gradient;
    second = 0.999 * second + (0.001 * gradient.array().square()).matrix();
    const double of_first = 1 - std::pow(0.9, step);
    const double of_second = 1 - std::pow(0.999, step);
    return kRate * (first / of_first).array() / ((second / of_second).array().sqrt() + 1e-8);
  }
};

}  // namespace

Perceptron::Perceptron(const MatrixXd& inputs, const VectorXd& values, RandomStream& random) {
  std::ptrdiff_t width = inputs.rows();
  for (int i = 0; i <= kHiddenLayers; ++i) {
    const std::ptrdiff_t outputs = i < kHiddenLayers ? kWidth : 1;
    Layer& layer = layers_.emplace_back(Layer{MatrixXd(outputs, width), VectorXd::Zero(outputs)});
    // He et al. 2015.
    const double deviation = std::sqrt(2.0 / static_cast<double>(width));
    for (double& weight : layer.weights.reshaped()) weight = deviation * random.Normal();
    width = outputs;
  }

  std::vector<Moments> moments(2 * layers_.size());
  std::vector<std::ptrdiff_t> order(static_cast<std::size_t>(inputs.cols()));
  std::iota(order.begin(), order.end(), 0);
  int step = 0;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    Shuffle(order, random);
    for (std::size_t from = 0; from < order.size(); from += kBatch) {
      const std::vector<std::ptrdiff_t> batch(order.begin() + from,
                                              order.begin() + std::min(from + kBatch, order.size()));
      // The inputs of each layer, and the output.
      std::vector<MatrixXd> signals = {inputs(Eigen::all, batch)};
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        MatrixXd next = (layers_[i].weights * signals.back()).colwise() + layers_[i].bias;
        if (i + 1 < layers_.size()) next = next.cwiseMax(0);
        signals.push_back(std::move(next));
      }
      const VectorXd wanted = values(batch);
      MatrixXd error = (signals.back() - wanted.transpose()).array().sign() / static_cast<double>(batch.size());
      ++step;
      for (std::size_t i = layers_.size(); i-- > 0;) {
        const MatrixXd of_weights = error * signals[i].transpose();
        const MatrixXd of_bias = error.rowwise().sum();
        error = (layers_[i].weights.transpose() * error).array() * (signals[i].array() > 0).cast<double>();
        layers_[i].weights -= moments[2 * i].StepFor(of_weights, step);
        layers_[i].bias -= moments[2 * i + 1].StepFor(of_bias, step);
      }
    }
  }
}

VectorXd Perceptron::Predict(const MatrixXd& inputs) const {
  MatrixXd signal = inputs;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    signal = ((layers_[i].weights * signal).colwise() + layers_[i].bias).eval();
    if (i + 1 < layers_.size()) signal = signal.cwiseMax(0).eval();
  }
  return signal.transpose();
}

}  // namespace layernas::bench
