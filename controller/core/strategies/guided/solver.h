// Runs the memorial table of LayerNAS on a learned surface instead of on trainings: layer by layer,
// it keeps the best partial architectures per cost.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "controller/core/space.h"
#include "controller/core/strategies/guided/surface.h"

namespace layernas::core {

struct SolverOptions {
  // Cost bins per (layer, option).
  std::size_t bins = 512;
  // Partial architectures kept per bin, if there are pairs of distant layers.
  std::size_t replicas = 8;
};

struct Solution {
  Architecture architecture;
  double reward = 0;
  double cost = 0;
};

// Returns architectures with a cost of at most the highest limit, highest reward first: for each of
// the limits, at most `most` architectures within it. Empty if nothing meets a limit.
//
// If all pairs are of adjacent layers, this is a dynamic programme over (layer, option, cost). It
// keeps every partial architecture that no other matches. It is exact while a (layer, option) has
// at most `bins` of them; beyond that it keeps the best of each bin, with its true cost. It uses
// fewer bins in spaces where this would make more than 20 million partial architectures.
//
// If pairs are of distant layers, it keeps the best `replicas` of each bin. This is exact only
// while these are all.
std::vector<Solution> Solve(const Space& space, const Surface& reward, const Surface& cost,
                            std::span<const double> limits, std::size_t most, const SolverOptions& options);

}  // namespace layernas::core
