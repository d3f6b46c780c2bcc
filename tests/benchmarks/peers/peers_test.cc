// Checks the peers against their sources' definitions, and that each finds the best architecture of a
// small space.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "benchmarks/peers/gaussian_process.h"
#include "benchmarks/peers/local_search.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/perceptron.h"
#include "benchmarks/peers/random_forest.h"
#include "benchmarks/peers/trials.h"

namespace layernas::bench {
namespace {

// Costs of option o in each layer: o, or none.
core::Space SpaceOf(std::size_t layers, core::OptionIndex options, bool has_costs) {
  core::Space space;
  for (std::size_t i = 0; i < layers; ++i) {
    core::Layer& layer = space.layers.emplace_back();
    layer.option_count = options;
    if (!has_costs) continue;
    for (core::OptionIndex option = 0; option < options; ++option) layer.costs.push_back(option);
  }
  return space;
}

double CostOf(const core::Architecture& architecture) {
  double cost = 1;
  for (const core::OptionIndex option : architecture) cost += option;
  return cost;
}

// Better with higher options, and most in the last layers; with an effect of two neighbours.
double RewardOf(const core::Architecture& architecture) {
  double reward = 0;
  for (std::size_t layer = 0; layer < architecture.size(); ++layer) {
    reward += static_cast<double>(layer + 1) * std::sqrt(architecture[layer]);
  }
  return reward + (architecture[0] == 1 && architecture[1] == 2 ? 2 : 0);
}

std::vector<core::Architecture> Draw(const core::Space& space, std::size_t count, std::uint64_t seed) {
  Trials trials(space, 1e9, seed);
  for (std::size_t i = 0; i < count; ++i) trials.Add(*trials.DrawToTrain(), 0, 0);
  return trials.architectures();
}

Eigen::VectorXd Standardised(const std::vector<core::Architecture>& architectures) {
  Eigen::VectorXd values(static_cast<std::ptrdiff_t>(architectures.size()));
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    values[static_cast<std::ptrdiff_t>(i)] = RewardOf(architectures[i]);
  }
  values.array() -= values.mean();
  return values / std::sqrt(values.squaredNorm() / static_cast<double>(values.size()));
}

TEST(GaussianProcess, TheGradientIsThatOfThePosterior) {
  const core::Space space = SpaceOf(4, 3, false);
  const auto architectures = Draw(space, 25, 1);
  const Eigen::VectorXd values = Standardised(architectures);
  Eigen::VectorXd logs(6);
  logs << 0.3, -2, -1, 0.5, -0.2, -2;
  Eigen::VectorXd gradient;
  Eigen::VectorXd unused;
  GaussianProcess::LogPosterior(architectures, values, logs, gradient);
  for (std::ptrdiff_t at = 0; at < logs.size(); ++at) {
    const double step = 1e-5;
    Eigen::VectorXd up = logs;
    Eigen::VectorXd down = logs;
    up[at] += step;
    down[at] -= step;
    const double slope = (GaussianProcess::LogPosterior(architectures, values, up, unused) -
                          GaussianProcess::LogPosterior(architectures, values, down, unused)) /
                         (2 * step);
    EXPECT_NEAR(gradient[at], slope, 1e-5 * (1 + std::abs(slope))) << at;
  }
}

TEST(GaussianProcess, KnowsWhatItHasSeenAndNothingFarAway) {
  const core::Space space = SpaceOf(5, 4, false);
  const auto architectures = Draw(space, 60, 2);
  const Eigen::VectorXd values = Standardised(architectures);
  GaussianProcess process(5);
  process.Fit(architectures, values);
  const Prediction seen = process.Predict(architectures);
  EXPECT_LT((seen.mean - values).cwiseAbs().maxCoeff(), 0.2);
  const auto others = Draw(space, 400, 3);
  const Prediction unseen = process.Predict(others);
  EXPECT_GT(unseen.deviation.mean(), 2 * seen.deviation.mean());
  // The last layer matters most, the noise little.
  const Eigen::VectorXd& logs = process.hyperparameters();
  EXPECT_GT(logs[6], logs[2]);
  EXPECT_LT(logs[1], -3);
}

TEST(RandomForest, PredictsBetterThanTheMean) {
  const core::Space space = SpaceOf(5, 4, false);
  const auto architectures = Draw(space, 200, 4);
  const Eigen::VectorXd values = Standardised(architectures);
  const std::vector<core::Architecture> known(architectures.begin(), architectures.begin() + 150);
  const std::vector<core::Architecture> others(architectures.begin() + 150, architectures.end());
  RandomForest forest(1);
  forest.Fit(known, values.head(150));
  const Prediction prediction = forest.Predict(others);
  EXPECT_LT((prediction.mean - values.tail(50)).squaredNorm(), 0.4 * values.tail(50).squaredNorm());
  EXPECT_GT(prediction.deviation.minCoeff(), 0);
}

TEST(RandomForest, OfEqualValuesHasNoDeviation) {
  const core::Space space = SpaceOf(3, 3, false);
  const auto architectures = Draw(space, 20, 5);
  RandomForest forest(1);
  forest.Fit(architectures, Eigen::VectorXd::Zero(20));
  const Prediction prediction = forest.Predict(Draw(space, 27, 6));
  EXPECT_EQ(prediction.mean.cwiseAbs().maxCoeff(), 0);
  EXPECT_EQ(prediction.deviation.maxCoeff(), 0);
}

TEST(Perceptron, LearnsASum) {
  RandomStream random({7});
  const Eigen::MatrixXd inputs = Eigen::MatrixXd::Random(4, 200);
  const Eigen::VectorXd values = inputs.colwise().sum().transpose() / 2;
  const Perceptron network(inputs.leftCols(150), values.head(150), random);
  const Eigen::VectorXd predicted = network.Predict(inputs.rightCols(50));
  EXPECT_LT((predicted - values.tail(50)).squaredNorm(), 0.1 * values.tail(50).squaredNorm());
}

// It moves to the first better neighbour, and draws again when it stands at the top.
TEST(LocalSearch, TrainsTheNeighboursOfTheBest) {
  const core::Space space = SpaceOf(3, 3, false);
  LocalSearch search{Trials(space, 1e9, 8)};
  std::optional<core::Architecture> best;
  int moves = 0;
  while (!best || *best != core::Architecture{2, 2, 2}) {
    const auto next = search.Propose();
    ASSERT_TRUE(next);
    if (best) {
      int differences = 0;
      for (std::size_t i = 0; i < 3; ++i) differences += (*best)[i] != (*next)[i];
      ASSERT_EQ(differences, 1);
    }
    // No effect of neighbours here: there is one top.
    const double reward = CostOf(*next);
    search.Observe(*next, reward, 1);
    if (!best || reward > CostOf(*best)) best = next;
    ASSERT_LT(++moves, 27);
  }
}

class PeersTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, PeersTest, ::testing::ValuesIn(PeerNames()), [](const auto& peer) { return peer.param; });

TEST_P(PeersTest, FindsTheBestThatMeetsTheTarget) {
  for (const bool knows_costs : {true, false}) {
    core::Space space = SpaceOf(4, 4, knows_costs);
    space.base_cost = 1;
    const double target = 8;
    double best = 0;
    Trials all(space, 1e9, 1);
    for (const core::Architecture& one : all.AllToTrain()) {
      if (CostOf(one) <= target) best = std::max(best, RewardOf(one));
    }
    const auto peer = MakePeer(GetParam(), space, target, 11);
    double found = 0;
    std::set<core::Architecture> trained;
    while (trained.size() < 150) {
      const auto next = peer->Propose();
      if (!next) break;
      ASSERT_TRUE(trained.insert(*next).second) << "trained twice";
      if (knows_costs) {
        ASSERT_LE(CostOf(*next), target);
      }
      if (CostOf(*next) <= target) found = std::max(found, RewardOf(*next));
      peer->Observe(*next, RewardOf(*next), CostOf(*next));
    }
    EXPECT_EQ(found, best) << knows_costs;
  }
}

// It ends where nothing is left, and proposes the same with the same seed.
TEST_P(PeersTest, TrainsEverythingThatMeetsTheTargetOnce) {
  const core::Space space = SpaceOf(3, 3, true);
  std::vector<core::Architecture> orders[2];
  for (auto& order : orders) {
    const auto peer = MakePeer(GetParam(), space, 3, 12);
    while (const auto next = peer->Propose()) {
      order.push_back(*next);
      peer->Observe(*next, RewardOf(*next), CostOf(*next));
    }
  }
  // Of 27, those with a sum of options of at most 3.
  EXPECT_EQ(orders[0].size(), 17u);
  EXPECT_EQ(orders[0], orders[1]);
}

// Too large a space to list.
TEST_P(PeersTest, SearchesALargeSpace) {
  const core::Space space = SpaceOf(12, 5, true);
  // Local search has to train dozens of neighbours for one move.
  const int trainings = GetParam() == "local_search" ? 400 : 60;
  // At its limit, no neighbour is better, so local search is only tried without one.
  const double target = GetParam() == "local_search" ? 48 : 24;
  double found[2] = {};
  for (const bool is_random : {false, true}) {
    const auto peer = MakePeer(GetParam(), space, target, 13);
    Trials random(space, target, 14);
    double best = 0;
    for (int i = 0; i < trainings; ++i) {
      const auto next = is_random ? random.DrawToTrain() : peer->Propose();
      ASSERT_TRUE(next);
      best = std::max(best, RewardOf(*next));
      random.Add(*next, 0, 0);
      if (!is_random) peer->Observe(*next, RewardOf(*next), CostOf(*next));
    }
    found[is_random] = best;
  }
  EXPECT_GT(found[0], found[1]);
}

}  // namespace
}  // namespace layernas::bench
