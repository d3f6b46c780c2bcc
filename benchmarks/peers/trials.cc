#include "benchmarks/peers/trials.h"

#include <algorithm>
#include <numeric>

#include "common/base/cost_limit.h"

namespace layernas::bench {
namespace {

constexpr double kMaxListed = 20'000;
constexpr int kMaxDraws = 100'000;

}  // namespace

Trials::Trials(const core::Space& space, double target, std::uint64_t seed)
    : space_(space), target_(target), random_({seed}) {}

void Trials::Add(const core::Architecture& architecture, double reward, double cost) {
  architectures_.push_back(architecture);
  rewards_.push_back(reward);
  costs_.push_back(cost);
  trained_.insert(architecture);
}

bool Trials::MeetsTarget(std::size_t trial) const { return MeetsLimit(costs_[trial], target_); }

std::vector<std::size_t> Trials::Ranked() const {
  std::vector<std::size_t> ranked;
  for (std::size_t i = 0; i < size(); ++i) {
    if (MeetsTarget(i)) ranked.push_back(i);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [this](std::size_t a, std::size_t b) { return rewards_[a] > rewards_[b]; });
  return ranked;
}

bool Trials::MayTrain(const core::Architecture& architecture) const {
  if (trained_.contains(architecture)) return false;
  return !space_.CostIsPerLayer() || MeetsLimit(space_.Cost(architecture), target_);
}

bool Trials::IsSmall() const { return space_.Size() <= kMaxListed; }

std::vector<core::Architecture> Trials::AllToTrain() const {
  std::vector<core::Architecture> all;
  core::Architecture architecture(space_.layers.size(), 0);
  while (true) {
    if (MayTrain(architecture)) all.push_back(architecture);
    std::size_t layer = 0;
    while (layer < architecture.size() && ++architecture[layer] == space_.layers[layer].option_count) {
      architecture[layer++] = 0;
    }
    if (layer == architecture.size()) return all;
  }
}

std::optional<core::Architecture> Trials::DrawToTrain() {
  if (IsSmall()) {
    const auto all = AllToTrain();
    if (all.empty()) return std::nullopt;
    return all[random_.Below(all.size())];
  }
  for (int draw = 0; draw < kMaxDraws; ++draw) {
    core::Architecture drawn;
    for (const core::Layer& layer : space_.layers) {
      drawn.push_back(static_cast<core::OptionIndex>(random_.Below(layer.option_count)));
    }
    if (MayTrain(drawn)) return drawn;
  }
  return std::nullopt;
}

std::vector<core::Architecture> Trials::Neighbours(const core::Architecture& architecture) const {
  std::vector<core::Architecture> neighbours;
  for (std::size_t layer = 0; layer < architecture.size(); ++layer) {
    for (core::OptionIndex option = 0; option < space_.layers[layer].option_count; ++option) {
      if (option == architecture[layer]) continue;
      neighbours.push_back(architecture);
      neighbours.back()[layer] = option;
    }
  }
  return neighbours;
}

}  // namespace layernas::bench
