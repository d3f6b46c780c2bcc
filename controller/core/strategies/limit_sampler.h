// Uniform draws from the architectures within a limit.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/strategies/within_limit.h"

namespace layernas::core {

// Draws uniformly: from a list where there are few; otherwise by counting the completions of each partial architecture
// on a grid of costs that are rounded down, and drawing again what the exact cost rules out (with hundreds of layers
// the grid is coarse, and draws are only nearly uniform). Immutable once built; safe to read from any thread.
class LimitSampler {
 public:
  // `wanted` must outlive this. Takes milliseconds where the limit matters.
  explicit LimitSampler(const WithinLimit& wanted);

  // The exact number of architectures within the limit; none if it is above kMostCounted.
  const std::optional<std::size_t>& size() const { return size_; }
  // Requires that something is within the limit.
  Architecture Draw(RandomStream& random) const;
  // One within the limit that is not in `seen`; none only if there is none. A uniform draw as long as draws find
  // something; the last few are looked for in order from a drawn one on.
  std::optional<Architecture> DrawUnseen(RandomStream& random, const ArchitectureIndex& seen) const;

 private:
  Architecture Listed(std::size_t index) const;
  Architecture DrawAny(RandomStream& random) const;
  void CountOnGrid();
  // None if the exact cost exceeds the limit. `keep_within`: takes no option after which it would, and so is not quite
  // uniform.
  std::optional<Architecture> DrawOnGrid(RandomStream& random, bool keep_within) const;

  const WithinLimit& wanted_;
  std::optional<std::size_t> size_;
  // One after the other, in lexicographic order; empty if they are too many or not needed.
  std::vector<OptionIndex> list_;
  // [layer][option]: what it costs above the layer's cheapest, in cells of the grid, rounded down.
  std::vector<std::vector<std::size_t>> excess_;
  // [layer][cells left]: number of completions from this layer on, each layer's in a unit of its own.
  std::vector<std::vector<double>> completions_;
};

}  // namespace layernas::core
