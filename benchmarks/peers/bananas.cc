#include "benchmarks/peers/bananas.h"

#include <algorithm>
#include <cmath>

#include "benchmarks/peers/perceptron.h"

namespace layernas::bench {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr std::size_t kProposalsPerFit = 10;
constexpr std::size_t kNetworks = 5;
// The best trials that are mutated, and the mutations to choose from.
constexpr std::size_t kParents = 10;
constexpr std::size_t kMutations = 1000;
constexpr int kMaxTries = 20;

// One input per option of each layer; one column per architecture.
MatrixXd OneHot(const core::Space& space, const std::vector<core::Architecture>& architectures) {
  std::ptrdiff_t inputs = 0;
  for (const core::Layer& layer : space.layers) inputs += layer.option_count;
  MatrixXd code = MatrixXd::Zero(inputs, static_cast<std::ptrdiff_t>(architectures.size()));
  for (std::ptrdiff_t column = 0; column < code.cols(); ++column) {
    std::ptrdiff_t from = 0;
    for (std::size_t layer = 0; layer < space.layers.size(); ++layer) {
      code(from + architectures[static_cast<std::size_t>(column)][layer], column) = 1;
      from += space.layers[layer].option_count;
    }
  }
  return code;
}

// Fits an ensemble, and draws one value per candidate from the normal distribution with the mean and
// deviation of the networks' predictions: independent Thompson sampling.
VectorXd Sample(const MatrixXd& inputs, const std::vector<double>& values, const MatrixXd& candidates,
                RandomStream& random) {
  const Eigen::Map<const VectorXd> raw(values.data(), static_cast<std::ptrdiff_t>(values.size()));
  const double mean = raw.mean();
  const double deviation = std::max(std::sqrt((raw.array() - mean).square().mean()), 1e-12);
  const VectorXd standardised = (raw.array() - mean) / deviation;
  MatrixXd predictions(candidates.cols(), kNetworks);
  for (std::size_t i = 0; i < kNetworks; ++i) {
    predictions.col(static_cast<std::ptrdiff_t>(i)) = Perceptron(inputs, standardised, random).Predict(candidates);
  }
  VectorXd drawn = predictions.rowwise().mean();
  for (std::ptrdiff_t i = 0; i < drawn.size(); ++i) {
    const double spread = std::sqrt((predictions.row(i).array() - drawn[i]).square().sum() / (kNetworks - 1));
    drawn[i] = mean + deviation * (drawn[i] + spread * random.Normal());
  }
  return drawn;
}

}  // namespace

std::optional<core::Architecture> Bananas::Propose() {
  if (trials_.size() < kInitialDesign) return trials_.DrawToTrain();
  if (batch_.empty()) ProposeBatch();
  if (batch_.empty()) return trials_.DrawToTrain();
  core::Architecture next = std::move(batch_.front());
  batch_.pop_front();
  return next;
}

void Bananas::Observe(const core::Architecture& architecture, double reward, double cost) {
  trials_.Add(architecture, reward, cost);
}

std::vector<core::Architecture> Bananas::Mutations() {
  std::vector<std::size_t> ranked = trials_.Ranked();
  // Where nothing meets the target yet, the cheapest are nearest to it.
  if (ranked.empty()) {
    for (std::size_t i = 0; i < trials_.size(); ++i) ranked.push_back(i);
    std::stable_sort(ranked.begin(), ranked.end(),
                     [this](std::size_t a, std::size_t b) { return trials_.costs()[a] < trials_.costs()[b]; });
  }
  if (ranked.size() > kParents) ranked.resize(kParents);
  std::unordered_set<core::Architecture, core::ArchitectureHash> mutations;
  RandomStream& random = trials_.random();
  for (std::size_t tries = 0; tries < kMutations * kMaxTries && mutations.size() < kMutations; ++tries) {
    core::Architecture one = trials_.architectures()[ranked[random.Below(ranked.size())]];
    // One change, or two where the neighbours are used up.
    for (std::size_t change = 0; change < 1 + tries / kMutations; ++change) {
      const std::size_t layer = random.Below(one.size());
      one[layer] = static_cast<core::OptionIndex>(random.Below(trials_.space().layers[layer].option_count));
    }
    if (trials_.MayTrain(one)) mutations.insert(std::move(one));
  }
  std::vector<core::Architecture> sorted(mutations.begin(), mutations.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

void Bananas::ProposeBatch() {
  const std::vector<core::Architecture> candidates = Mutations();
  if (candidates.empty()) return;
  const core::Space& space = trials_.space();
  const MatrixXd inputs = OneHot(space, trials_.architectures());
  const MatrixXd code = OneHot(space, candidates);
  VectorXd drawn = Sample(inputs, trials_.rewards(), code, trials_.random());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < candidates.size(); ++i) order.push_back(i);
  std::vector<bool> exceeds(candidates.size());
  if (!space.CostIsPerLayer()) {
    std::vector<double> logs;
    for (const double cost : trials_.costs()) logs.push_back(std::log(cost));
    const VectorXd costs = Sample(inputs, logs, code, trials_.random());
    for (std::size_t i = 0; i < exceeds.size(); ++i) {
      exceeds[i] = costs[static_cast<std::ptrdiff_t>(i)] > std::log(trials_.target());
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (exceeds[a] != exceeds[b]) return static_cast<bool>(exceeds[b]);
    return drawn[static_cast<std::ptrdiff_t>(a)] > drawn[static_cast<std::ptrdiff_t>(b)];
  });
  for (std::size_t i = 0; i < std::min(kProposalsPerFit, order.size()); ++i) batch_.push_back(candidates[order[i]]);
}

}  // namespace layernas::bench
