#include "tests/simulation/truth.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/base/architecture_id.h"
#include "common/base/random.h"

namespace layernas::simulation {
namespace {

constexpr double kNoise = 0.02;

std::uint64_t Hash(std::uint64_t evaluator, std::string_view architecture) {
  std::uint64_t hash = MixKey({evaluator});
  for (const char c : architecture) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return MixKey({hash});
}

double Unit(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

}  // namespace

double RewardOf(std::uint64_t evaluator, std::string_view architecture, std::uint32_t seed) {
  // Mostly additive, so that strategies can learn something.
  double sum = 0;
  for (std::size_t i = 0; i < architecture.size(); ++i) {
    sum += Unit(MixKey({evaluator, i, static_cast<std::uint64_t>(architecture[i])}));
  }
  const double mean = architecture.empty() ? 0 : sum / static_cast<double>(architecture.size());
  const std::uint64_t hash = Hash(evaluator, architecture);
  return 0.1 + 0.7 * mean + 0.1 * Unit(hash) + kNoise * Unit(MixKey({hash, seed}));
}

double CostOf(std::uint64_t evaluator, std::string_view architecture) {
  return 1 + 9 * Unit(MixKey({Hash(evaluator, architecture), 1}));
}

bool IsInfeasible(std::uint64_t evaluator, std::string_view architecture) {
  return evaluator % 4 == 0 && Hash(evaluator, architecture) % 7 == 0;
}

std::string WhyUntrue(const core::Candidate& candidate, const core::SearchConfig& config, std::uint64_t evaluator) {
  const std::string id = IdOf(config.space, candidate.architecture);
  if (const auto reward = candidate.metrics.Find(kReward)) {
    const auto seed = candidate.metrics.Find(kSeed);
    if (!seed) return "a reward without its seed";
    const double right = RewardOf(evaluator, id, static_cast<std::uint32_t>(*seed));
    if (*reward != right) return absl::StrCat("the reward of ", id, " is ", *reward, " instead of ", right);
    if (candidate.state == core::CandidateState::kSucceeded && candidate.reward != right) {
      return absl::StrCat("the record of ", id, " says ", candidate.reward, " instead of ", right);
    }
  } else if (candidate.state == core::CandidateState::kSucceeded) {
    return "a result without a reward";
  }
  const auto cost = candidate.metrics.Find(kCost);
  if (cost && *cost != CostOf(evaluator, id)) return absl::StrCat("the cost of ", id, " is ", *cost);
  if (candidate.state == core::CandidateState::kSucceeded) {
    const double right = config.space.CostIsPerLayer() ? config.space.Cost(candidate.architecture) : cost.value_or(-1);
    if (std::abs(candidate.cost - right) > 1e-9) {
      return absl::StrCat("the record's cost of ", id, " is ", candidate.cost, " instead of ", right);
    }
  }
  return "";
}

std::string IdOf(const core::Space& space, const core::Architecture& architecture) {
  std::size_t max_options = 0;
  for (const core::Layer& layer : space.layers) max_options = std::max<std::size_t>(max_options, layer.option_count);
  return FormatArchitectureId(architecture, max_options);
}

}  // namespace layernas::simulation
