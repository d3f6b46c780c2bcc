// A function over architectures that is a sum of effects of options and of pairs of options: what the models learn, and
// what the solvers maximise.
#pragma once

#include <cstddef>
#include <vector>

#include "controller/core/space.h"

namespace layernas::core {

// Which pairs of layers have effects of their own.
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

// All effects 0.
Surface MakeSurface(const Space& space, std::vector<LayerPair> pairs);

// Every pair while that is affordable, else each layer with the next, else none.
std::vector<LayerPair> ChoosePairs(const Space& space);
// True if each pair is of a layer and the next.
bool IsChain(const std::vector<LayerPair>& pairs);

}  // namespace layernas::core
