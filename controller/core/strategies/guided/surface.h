// A function over architectures that is a sum of effects of options and of pairs of options. Models
// learn it and solvers maximise it.
#pragma once

#include <cstddef>
#include <vector>

#include "controller/core/space.h"

namespace layernas::core {

// A pair of layers that have effects together.
struct LayerPair {
  std::size_t first = 0;
  std::size_t second = 0;

  bool operator==(const LayerPair&) const = default;
};

struct Surface {
  double bias = 0;
  // [layer][option].
  std::vector<std::vector<double>> options;
  // Per LayerPair: [option of first * option_count of second + option of second].
  std::vector<LayerPair> pairs;
  std::vector<std::vector<double>> pair_effects;

  double At(const Architecture& architecture) const;
};

// Returns a surface whose effects are all 0.
Surface MakeSurface(const Space& space, std::vector<LayerPair> pairs);

// Returns all pairs if that is affordable, otherwise each layer with the next, otherwise none.
std::vector<LayerPair> ChoosePairs(const Space& space);
// Returns whether every pair consists of a layer and the next.
bool IsChain(const std::vector<LayerPair>& pairs);

}  // namespace layernas::core
