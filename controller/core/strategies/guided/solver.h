// The memorial table of LayerNAS run on a learned surface instead of on trainings: layer by layer, the best partial
// architectures per cost.
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
  // With pairs of distant layers: partial architectures kept per bin.
  std::size_t replicas = 8;
};

struct Solution {
  Architecture architecture;
  double reward = 0;
  double cost = 0;
};

// Architectures with a cost of no more than the highest limit, highest reward first: of those within each of the
// limits, at most `most`; none if nothing meets a limit. Where all pairs are of adjacent layers this is a dynamic
// programme over (layer, option, cost): it keeps every partial architecture that no other matches, and is exact as long
// as those of one (layer, option) are no more than the bins; beyond that it keeps the best of each bin, with its true
// cost. In spaces in which that would make more than 20 million partial architectures the bins are fewer. Where pairs
// are of distant layers, the best `replicas` of each bin are kept, which is exact only while that is all of them.
std::vector<Solution> Solve(const Space& space, const Surface& reward, const Surface& cost,
                            std::span<const double> limits, std::size_t most, const SolverOptions& options);

}  // namespace layernas::core
