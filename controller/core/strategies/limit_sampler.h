// Uniform draws from the architectures within a limit.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/strategies/within_limit.h"

namespace layernas::core {

// Draws uniformly from the wanted architectures. If they are few, it draws from a list. Otherwise it counts the
// completions of each partial architecture on a grid of costs that are rounded down, draws by these counts, and draws
// again if the exact cost exceeds the limit. With hundreds of layers the grid is coarse, and the draws are only nearly
// uniform. Immutable; safe to read from any thread.
class LimitSampler {
 public:
  // `wanted` must outlive this. Takes milliseconds if the limit rules anything out. `sharers`: as many samplers share
  // the time and memory that one may take, at the price of coarser grids in large spaces.
  explicit LimitSampler(const WithinLimit& wanted, std::size_t sharers = 1);

  // Returns the exact number of wanted architectures, or none if it is above kMostCounted divided by the sharers.
  const std::optional<std::size_t>& size() const { return size_; }
  // Returns a wanted architecture. Requires that there is one.
  Architecture Draw(RandomStream& random) const;
  // Returns a wanted architecture that is not in `seen`, or none if there is none. This is a uniform draw as long as
  // draws find something; the last few are looked for in lexicographic order from a drawn one on.
  std::optional<Architecture> DrawUnseen(RandomStream& random, const ArchitectureIndex& seen) const;

 private:
  Architecture Listed(std::size_t index) const;
  Architecture DrawAny(RandomStream& random) const;
  void CountOnGrid(std::size_t sharers);
  // Returns none if the exact cost exceeds the limit. With `keep_within` it takes only options after which the limit
  // can be met: then it rarely returns none, but it is only nearly uniform.
  std::optional<Architecture> DrawOnGrid(RandomStream& random, bool keep_within) const;

  const WithinLimit& wanted_;
  std::optional<std::size_t> size_;
  // The options of all wanted architectures, in lexicographic order; empty if they are too many or if all are wanted.
  std::vector<OptionIndex> list_;
  // [layer][option]: its cost above the layer's cheapest option, in cells of the grid, rounded down.
  std::vector<std::vector<std::size_t>> excess_;
  // [layer][cells left]: the number of completions from this layer on. Each layer has a unit of its own.
  std::vector<std::vector<double>> completions_;
  // True if the exact cost rules out nearly all draws on the grid, so that Draw() has to keep within the limit.
  bool coarse_ = false;
};

}  // namespace layernas::core
