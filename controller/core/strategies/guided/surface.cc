#include "controller/core/strategies/guided/surface.h"

#include <algorithm>

namespace layernas::core {

double Surface::At(const Architecture& architecture) const {
  double value = bias;
  for (std::size_t i = 0; i < architecture.size(); ++i) value += options[i][architecture[i]];
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    value +=
        pair_effects[p][architecture[pairs[p].first] * options[pairs[p].second].size() + architecture[pairs[p].second]];
  }
  return value;
}

Surface MakeSurface(const Space& space, std::vector<LayerPair> pairs) {
  Surface surface;
  for (const Layer& layer : space.layers) surface.options.emplace_back(layer.option_count, 0.0);
  for (const LayerPair& pair : pairs) {
    surface.pair_effects.emplace_back(
        static_cast<std::size_t>(space.layers[pair.first].option_count) * space.layers[pair.second].option_count, 0.0);
  }
  surface.pairs = std::move(pairs);
  return surface;
}

std::vector<LayerPair> ChoosePairs(const Space& space) {
  // Above this, pairs of distant layers are learned too slowly to be worth their time.
  constexpr std::size_t kMaxPairEffects = 1500;
  // Above this, the same holds for pairs of adjacent layers: no budget has enough results.
  constexpr std::size_t kMaxAdjacentEffects = 100'000;
  std::vector<LayerPair> all;
  std::vector<LayerPair> adjacent;
  std::size_t all_effects = 0;
  std::size_t adjacent_effects = 0;
  for (std::size_t second = 1; second < space.layers.size(); ++second) {
    adjacent.push_back({second - 1, second});
    for (std::size_t first = 0; first < second; ++first) {
      const std::size_t effects =
          static_cast<std::size_t>(space.layers[first].option_count) * space.layers[second].option_count;
      all_effects += effects;
      if (first + 1 == second) adjacent_effects += effects;
      if (all_effects <= kMaxPairEffects) all.push_back({first, second});
    }
  }
  if (all_effects <= kMaxPairEffects) return all;
  if (adjacent_effects <= kMaxAdjacentEffects) return adjacent;
  return {};
}

bool IsChain(const std::vector<LayerPair>& pairs) {
  return std::all_of(pairs.begin(), pairs.end(), [](const LayerPair& pair) { return pair.second == pair.first + 1; });
}

}  // namespace layernas::core
