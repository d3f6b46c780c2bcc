// What a strategy is tried on: a space whose architectures have known results. The judged value is for the benchmark
// alone; strategies see the noisy reward.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/space.h"

namespace layernas::bench {

class Problem {
 public:
  virtual ~Problem() = default;

  // Costs per layer are given where the cost is known before training.
  virtual const core::Space& space() const = 0;
  // Fixed per architecture and seed: one search sees one value.
  virtual double Reward(const core::Architecture& architecture, std::uint64_t seed) const = 0;
  // The reward's own expectation.
  virtual double ExpectedReward(const core::Architecture& architecture) const = 0;
  // What the result is judged by.
  virtual double Judged(const core::Architecture& architecture) const = 0;
  virtual double Cost(const core::Architecture& architecture) const = 0;
  // The reward after each epoch of a training; empty where that is not known.
  virtual std::span<const float> Curve(const core::Architecture& architecture) const {
    static_cast<void>(architecture);
    return {};
  }
  // Best judged value, and best expected reward, of all architectures with cost <= target.
  virtual double BestJudged(double target) const = 0;
  virtual double BestExpectedReward(double target) const = 0;
  // (cost, judged value) of the non-dominated architectures by judged value, by cost; empty where the space is too
  // large.
  virtual std::vector<std::pair<double, double>> TrueFrontier() const = 0;
};

struct TableOptions {
  std::string file;
  std::string architecture_column;
  // One is drawn per architecture and seed.
  std::vector<std::string> reward_columns;
  std::string judge_column;
  std::string cost_column;
  // With the reward after epoch 1, 2, …
  std::vector<std::string> curve_columns = {};
  // What the table must have, layer by layer; empty: whatever it has.
  std::vector<int> options_per_layer = {};
};

// A table of all architectures of a space: the options of a layer are the characters that occur in its place of the
// architecture column. A cost that is exactly a sum over layers is given to the strategies as known per layer. Errors
// name the file and the line.
absl::StatusOr<std::unique_ptr<Problem>> LoadTable(const TableOptions& options);

struct GeneratedOptions {
  int layers = 22;
  int options = 9;
  // Look-up table of latencies (fbnet_layer_lut.json's form) and the device in it; empty: costs are generated too.
  std::string lut_file;
  std::string device;
  std::uint64_t space_seed = 1;
};

// A space with a saturating reward: a sum of layer importances times option effects and of effects of adjacent pairs
// goes through 1 - exp(-x). Optima by dynamic programming, exact on costs of three decimals.
absl::StatusOr<std::unique_ptr<Problem>> Generate(const GeneratedOptions& options);
// The same space, complete, as a JSON object: for other programs that shall search it (benchmarks/peers/problems.py).
absl::StatusOr<std::string> DescribeGenerated(const GeneratedOptions& options);
// Shape, device and seed in words.
std::string NameOf(const GeneratedOptions& options);

}  // namespace layernas::bench
