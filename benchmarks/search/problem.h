// A problem to try strategies on: a space with known results of its architectures. Only the
// benchmark uses the judged value; strategies see the noisy reward.
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

  // Contains costs per layer if the cost is known before training.
  virtual const core::Space& space() const = 0;
  // The value is fixed per architecture and seed, so one search always sees the same value.
  virtual double Reward(const core::Architecture& architecture, std::uint64_t seed) const = 0;
  // Returns the expected value of the reward.
  virtual double ExpectedReward(const core::Architecture& architecture) const = 0;
  // Returns the value that the result is judged by.
  virtual double Judged(const core::Architecture& architecture) const = 0;
  virtual double Cost(const core::Architecture& architecture) const = 0;
  // Returns the reward after each epoch of a training; empty if unknown.
  virtual std::span<const float> Curve(const core::Architecture& architecture) const {
    static_cast<void>(architecture);
    return {};
  }
  // Return the best judged value, and the best expected reward, of all architectures with cost <=
  // target.
  virtual double BestJudged(double target) const = 0;
  virtual double BestExpectedReward(double target) const = 0;
  // Returns (cost, judged value) of the non-dominated architectures by judged value, by ascending
  // cost. Empty if the space is too large.
  virtual std::vector<std::pair<double, double>> TrueFrontier() const = 0;
};

struct TableOptions {
  std::string file;
  std::string architecture_column;
  // One of them is drawn per architecture and seed.
  std::vector<std::string> reward_columns;
  std::string judge_column;
  std::string cost_column;
  // Columns with the reward after epoch 1, 2, …
  std::vector<std::string> curve_columns = {};
  // Required number of options of each layer; empty: any.
  std::vector<int> options_per_layer = {};
};

// Loads a table of all architectures of a space. The options of a layer are the characters that
// occur at its position in the architecture column. If the cost is exactly a sum over layers,
// strategies know it per layer. Errors name the file and the line.
absl::StatusOr<std::unique_ptr<Problem>> LoadTable(const TableOptions& options);

struct GeneratedOptions {
  int layers = 22;
  int options = 9;
  // Look-up table of latencies (in the format of fbnet_layer_lut.json), and the device in it.
  // Empty: costs are generated too.
  std::string lut_file;
  std::string device;
  std::uint64_t space_seed = 1;
};

// Generates a space with a saturating reward: a sum of layer importances times option effects and
// of effects of adjacent pairs goes through 1 - exp(-x). Optima are found by dynamic programming,
// exact for costs of three decimals.
absl::StatusOr<std::unique_ptr<Problem>> Generate(const GeneratedOptions& options);
// Returns the same space completely as a JSON object, for other programs that search it
// (benchmarks/peers/problems.py).
absl::StatusOr<std::string> DescribeGenerated(const GeneratedOptions& options);
// Returns shape, device and seed in words.
std::string NameOf(const GeneratedOptions& options);

}  // namespace layernas::bench
