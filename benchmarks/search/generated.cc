#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "benchmarks/search/problem.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"

namespace layernas::bench {
namespace {

// Costs are integer multiples of this, which makes the dynamic programme exact.
constexpr double kCostUnit = 1e-3;
// Accuracy of an empty network in percent, and the possible gain.
constexpr double kFloor = 60;
constexpr double kGain = 20;
// Standard deviation of one training.
constexpr double kNoise = 0.2;

class GeneratedProblem final : public Problem {
 public:
  GeneratedProblem(core::Space space, std::vector<std::vector<double>> effects,
                   std::vector<std::vector<std::vector<double>>> pairs, double scale)
      : space_(std::move(space)), effects_(std::move(effects)), pairs_(std::move(pairs)), scale_(scale) {}

  nlohmann::json Describe() const {
    nlohmann::json costs = nlohmann::json::array();
    for (const core::Layer& layer : space_.layers) costs.push_back(layer.costs);
    return {{"base_cost", space_.base_cost},
            {"costs", costs},
            {"effects", effects_},
            {"pairs", pairs_},
            {"floor", kFloor},
            {"gain", kGain},
            {"scale", scale_},
            {"noise", kNoise},
            {"frontier", TrueFrontier()}};
  }

  const core::Space& space() const override { return space_; }
  double Reward(const core::Architecture& architecture, std::uint64_t seed) const override {
    RandomStream random({seed, core::Fingerprint(architecture)});
    return Judged(architecture) + kNoise * random.Normal();
  }
  double ExpectedReward(const core::Architecture& architecture) const override { return Judged(architecture); }
  double Judged(const core::Architecture& architecture) const override {
    double score = 0;
    for (std::size_t i = 0; i < architecture.size(); ++i) {
      score += effects_[i][architecture[i]];
      if (i > 0) score += pairs_[i][architecture[i - 1]][architecture[i]];
    }
    return FromScore(score);
  }
  double Cost(const core::Architecture& architecture) const override { return space_.Cost(architecture); }
  double BestJudged(double target) const override {
    const std::vector<double>& best = BestScores();
    const auto units = static_cast<std::int64_t>(std::floor((target - space_.CheapestCost()) / kCostUnit + 1e-6));
    if (units < 0) return -std::numeric_limits<double>::infinity();
    return FromScore(best[std::min<std::size_t>(units, best.size() - 1)]);
  }
  double BestExpectedReward(double target) const override { return BestJudged(target); }
  std::vector<std::pair<double, double>> TrueFrontier() const override {
    std::vector<std::pair<double, double>> frontier;
    const std::vector<double>& best = BestScores();
    for (std::size_t unit = 0; unit < best.size(); ++unit) {
      const double judged = FromScore(best[unit]);
      if (frontier.empty() || judged > frontier.back().second) {
        frontier.emplace_back(space_.CheapestCost() + static_cast<double>(unit) * kCostUnit, judged);
      }
    }
    return frontier;
  }

 private:
  double FromScore(double score) const { return kFloor + kGain * (1 - std::exp(-score / scale_)); }

  // Returns [cost above the cheapest, in units]: the best score at that cost or less.
  const std::vector<double>& BestScores() const {
    if (!best_scores_.empty()) return best_scores_;
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    std::vector<std::vector<std::size_t>> units;
    std::size_t most = 0;
    for (const core::Layer& layer : space_.layers) {
      const double cheapest = *std::min_element(layer.costs.begin(), layer.costs.end());
      auto& of_layer = units.emplace_back();
      for (const double cost : layer.costs) {
        of_layer.push_back(static_cast<std::size_t>(std::llround((cost - cheapest) / kCostUnit)));
      }
      most += *std::max_element(of_layer.begin(), of_layer.end());
    }
    std::vector<std::vector<double>> last;
    for (std::size_t i = 0; i < space_.layers.size(); ++i) {
      std::vector<std::vector<double>> now(space_.layers[i].option_count, std::vector<double>(most + 1, kNone));
      for (std::size_t option = 0; option < now.size(); ++option) {
        const std::size_t spent = units[i][option];
        if (i == 0) {
          now[option][spent] = effects_[0][option];
          continue;
        }
        for (std::size_t before = 0; before < last.size(); ++before) {
          const double gain = effects_[i][option] + pairs_[i][before][option];
          for (std::size_t cost = spent; cost <= most; ++cost) {
            now[option][cost] = std::max(now[option][cost], last[before][cost - spent] + gain);
          }
        }
      }
      last = std::move(now);
    }
    best_scores_.assign(most + 1, kNone);
    for (const auto& of_option : last) {
      for (std::size_t cost = 0; cost <= most; ++cost)
        best_scores_[cost] = std::max(best_scores_[cost], of_option[cost]);
    }
    for (std::size_t cost = 1; cost <= most; ++cost) {
      best_scores_[cost] = std::max(best_scores_[cost], best_scores_[cost - 1]);
    }
    return best_scores_;
  }

  core::Space space_;
  // [layer][option].
  std::vector<std::vector<double>> effects_;
  // [layer][option of the previous layer][option].
  std::vector<std::vector<std::vector<double>>> pairs_;
  double scale_;
  mutable std::vector<double> best_scores_;
};

double RoundCost(double cost) { return std::round(cost / kCostUnit) * kCostUnit; }

absl::StatusOr<std::unique_ptr<GeneratedProblem>> MakeProblem(const GeneratedOptions& options) {
  RandomStream random({options.space_seed, 0x5face});
  core::Space space;
  if (!options.lut_file.empty()) {
    std::ifstream in(options.lut_file);
    if (!in) return absl::NotFoundError(absl::StrCat(options.lut_file, ": cannot be read"));
    const nlohmann::json lut = nlohmann::json::parse(in, nullptr, false);
    if (lut.is_discarded() || !lut.contains("devices") || !lut["devices"].contains(options.device)) {
      return absl::InvalidArgumentError(absl::StrCat(options.lut_file, ": has no device ", options.device));
    }
    const nlohmann::json& device = lut["devices"][options.device];
    space.base_cost = RoundCost(device["base_ms"].get<double>());
    for (const nlohmann::json& row : device["lut_ms"]) {
      if (static_cast<int>(space.layers.size()) == options.layers) break;
      core::Layer& layer = space.layers.emplace_back();
      for (const nlohmann::json& cost : row) {
        if (static_cast<int>(layer.costs.size()) < options.options)
          layer.costs.push_back(RoundCost(cost.get<double>()));
      }
    }
  } else {
    for (int i = 0; i < options.layers; ++i) {
      core::Layer& layer = space.layers.emplace_back();
      const double size = std::exp(0.5 * random.Normal());
      for (int o = 0; o < options.options; ++o) {
        layer.costs.push_back(RoundCost(size * (0.1 + o + 0.3 * random.Uniform()) / options.options));
      }
    }
  }
  if (static_cast<int>(space.layers.size()) != options.layers) {
    return absl::InvalidArgumentError(absl::StrCat(options.lut_file, ": has only ", space.layers.size(), " layers"));
  }

  // Effect of an option on its own, the same in every layer.
  std::vector<double> option_effects;
  option_effects.reserve(options.options);
  for (int o = 0; o < options.options; ++o) option_effects.push_back(0.15 * random.Normal());
  std::vector<std::vector<double>> effects;
  std::vector<std::vector<std::vector<double>>> pairs;
  double typical = 0;
  for (std::size_t i = 0; i < space.layers.size(); ++i) {
    core::Layer& layer = space.layers[i];
    layer.name = absl::StrCat("layer", i + 1);
    layer.option_count = static_cast<core::OptionIndex>(layer.costs.size());
    const double dearest = *std::max_element(layer.costs.begin(), layer.costs.end());
    layer.default_option =
        static_cast<core::OptionIndex>(std::max_element(layer.costs.begin(), layer.costs.end()) - layer.costs.begin());
    const double importance = std::exp(0.6 * random.Normal());
    auto& of_layer = effects.emplace_back();
    for (std::size_t o = 0; o < layer.costs.size(); ++o) {
      of_layer.push_back(importance *
                         (std::sqrt(layer.costs[o] / dearest) + option_effects[o] + 0.12 * random.Normal()));
    }
    typical += importance;
    auto& with_before = pairs.emplace_back();
    if (i == 0) continue;
    with_before.resize(space.layers[i - 1].option_count);
    for (auto& row : with_before) {
      for (std::size_t o = 0; o < layer.costs.size(); ++o) row.push_back(0.1 * importance * random.Normal());
    }
  }
  return std::make_unique<GeneratedProblem>(std::move(space), std::move(effects), std::move(pairs), 0.45 * typical);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Problem>> Generate(const GeneratedOptions& options) { return MakeProblem(options); }

absl::StatusOr<std::string> DescribeGenerated(const GeneratedOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto problem, MakeProblem(options));
  nlohmann::json description = problem->Describe();
  description["problem"] = NameOf(options);
  return description.dump();
}

std::string NameOf(const GeneratedOptions& options) {
  return absl::StrCat("generated ", options.layers, "x", options.options, options.lut_file.empty() ? "" : " ",
                      options.lut_file.empty() ? "" : options.device, " seed ", options.space_seed);
}

}  // namespace layernas::bench
