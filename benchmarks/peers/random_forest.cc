#include "benchmarks/peers/random_forest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace layernas::bench {
namespace {

constexpr int kTrees = 30;
constexpr std::size_t kMinLeaf = 3;

// The options of a layer among some trials.
struct Group {
  std::size_t option = 0;
  double count = 0;
  double sum = 0;
  double Mean() const { return sum / count; }
};

std::vector<Group> GroupsOf(std::size_t layer, const std::vector<core::Architecture>& architectures,
                            const Eigen::VectorXd& values, const std::vector<std::size_t>& trials) {
  std::vector<Group> groups;
  for (const std::size_t trial : trials) {
    const std::size_t option = architectures[trial][layer];
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& one) { return one.option == option; });
    if (group == groups.end()) group = groups.insert(group, {option, 0, 0});
    group->count += 1;
    group->sum += values[static_cast<std::ptrdiff_t>(trial)];
  }
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return a.Mean() != b.Mean() ? a.Mean() < b.Mean() : a.option < b.option;
  });
  return groups;
}

}  // namespace

bool RandomForest::Node::GoesLeft(std::size_t option) const {
  if (std::find(left_options.begin(), left_options.end(), option) != left_options.end()) return true;
  if (std::find(right_options.begin(), right_options.end(), option) != right_options.end()) return false;
  return others_go_left;
}

void RandomForest::Fit(const std::vector<core::Architecture>& architectures, const Eigen::VectorXd& values) {
  trees_.clear();
  for (int i = 0; i < kTrees; ++i) {
    std::vector<std::size_t> bootstrap;
    for (std::size_t n = 0; n < architectures.size(); ++n) bootstrap.push_back(random_.Below(architectures.size()));
    Grow(trees_.emplace_back(), architectures, values, std::move(bootstrap));
  }
}

std::size_t RandomForest::Grow(Tree& tree, const std::vector<core::Architecture>& architectures,
                               const Eigen::VectorXd& values, std::vector<std::size_t> trials) {
  const std::size_t index = tree.size();
  tree.emplace_back();
  const auto count = static_cast<double>(trials.size());
  double mean = 0;
  double variance = 0;
  for (const std::size_t trial : trials) mean += values[static_cast<std::ptrdiff_t>(trial)] / count;
  for (const std::size_t trial : trials) {
    variance += std::pow(values[static_cast<std::ptrdiff_t>(trial)] - mean, 2) / count;
  }
  tree[index].mean = mean;
  tree[index].variance = variance;
  if (trials.size() < 2 * kMinLeaf || variance <= 0) return index;

  std::vector<std::size_t> layers(architectures.front().size());
  std::iota(layers.begin(), layers.end(), 0);
  Shuffle(layers, random_);
  layers.resize((layers.size() * 5 + 5) / 6);
  double best = 0;
  Node split;
  for (const std::size_t layer : layers) {
    const std::vector<Group> groups = GroupsOf(layer, architectures, values, trials);
    double left_count = 0;
    double left_sum = 0;
    for (std::size_t cut = 0; cut + 1 < groups.size(); ++cut) {
      left_count += groups[cut].count;
      left_sum += groups[cut].sum;
      const double right_count = count - left_count;
      if (left_count < kMinLeaf || right_count < kMinLeaf) continue;
      // The squared error falls by the variance between the two parts.
      const double difference = left_sum / left_count - (mean * count - left_sum) / right_count;
      const double gain = left_count * right_count / count * difference * difference;
      if (gain <= best) continue;
      best = gain;
      split = {mean, variance, 0, 0, layer, {}, {}, left_count > right_count};
      for (std::size_t i = 0; i < groups.size(); ++i) {
        (i <= cut ? split.left_options : split.right_options).push_back(groups[i].option);
      }
    }
  }
  if (split.left_options.empty()) return index;
  std::vector<std::size_t> left;
  std::vector<std::size_t> right;
  for (const std::size_t trial : trials) {
    (split.GoesLeft(architectures[trial][split.layer]) ? left : right).push_back(trial);
  }
  split.left = Grow(tree, architectures, values, std::move(left));
  split.right = Grow(tree, architectures, values, std::move(right));
  tree[index] = std::move(split);
  return index;
}

Prediction RandomForest::Predict(const std::vector<core::Architecture>& architectures) const {
  Prediction prediction{Eigen::VectorXd(architectures.size()), Eigen::VectorXd(architectures.size())};
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    double sum = 0;
    double squares = 0;
    double within = 0;
    for (const Tree& tree : trees_) {
      const Node* node = &tree.front();
      while (node->left != 0) {
        node = &tree[node->GoesLeft(architectures[i][node->layer]) ? node->left : node->right];
      }
      sum += node->mean;
      squares += node->mean * node->mean;
      within += node->variance;
    }
    const double mean = sum / kTrees;
    const auto at = static_cast<std::ptrdiff_t>(i);
    prediction.mean[at] = mean;
    prediction.deviation[at] = std::sqrt(std::max(squares / kTrees - mean * mean, 0.0) + within / kTrees);
  }
  return prediction;
}

}  // namespace layernas::bench
