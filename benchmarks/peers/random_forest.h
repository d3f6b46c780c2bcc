#pragma once

#include <cstdint>
#include <vector>

#include "benchmarks/peers/surrogate.h"
#include "common/base/random.h"

namespace layernas::bench {

// A random forest as SMAC uses it (Hutter et al. 2011; its settings as in SMAC3: bootstrap samples,
// 5/6 of the layers tried per split, at least 3 trials in a leaf). A split of a layer puts its options
// in the order of their mean value, and cuts where the squared error is least (Breiman et al. 1984).
// Deviation: of the trees' means, and within the leaves (Hutter et al. 2014, section 4.3.2).
class RandomForest final : public Surrogate {
 public:
  explicit RandomForest(std::uint64_t seed) : random_({seed}) {}
  void Fit(const std::vector<core::Architecture>& architectures, const Eigen::VectorXd& values) override;
  Prediction Predict(const std::vector<core::Architecture>& architectures) const override;

 private:
  struct Node {
    // Leaf: of its trials.
    double mean = 0;
    double variance = 0;
    // Children; 0 in a leaf.
    std::size_t left = 0;
    std::size_t right = 0;
    std::size_t layer = 0;
    // The options that go left, and whether an option that no trial here has goes left: to the side
    // with more trials.
    std::vector<std::size_t> left_options;
    std::vector<std::size_t> right_options;
    bool others_go_left = false;

    bool GoesLeft(std::size_t option) const;
  };
  using Tree = std::vector<Node>;

  // Adds the node of these trials, which may repeat, and its descendants. Returns its index.
  std::size_t Grow(Tree& tree, const std::vector<core::Architecture>& architectures, const Eigen::VectorXd& values,
                   std::vector<std::size_t> trials);

  RandomStream random_;
  std::vector<Tree> trees_;
};

}  // namespace layernas::bench
