// Uniform draws from the architectures within a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/strategies/within_limit.h"

namespace layernas::core {

// Draws uniformly from the wanted architectures. If they are few, it draws from a list. Otherwise it counts the
// completions of each partial architecture on a grid of costs that are rounded down, draws by these counts, and draws
// again if the exact cost exceeds the limit. With hundreds of layers the grid is coarse, and the draws are only nearly
// uniform; so are those for a limit that is a small part of the one that the grid was made for. Immutable; safe to read
// from any thread.
class LimitSampler {
 public:
  // `wanted` must outlive this. Takes milliseconds if the limit rules anything out.
  explicit LimitSampler(const WithinLimit& wanted);
  // One of `sharers` for lower limits of the same space: it uses the grid of `wider`, if that has one, and together
  // they take no more time and memory for their lists than one sampler.
  LimitSampler(const WithinLimit& wanted, const LimitSampler& wider, std::size_t sharers);

  // Returns the exact number of wanted architectures, or none if it is above kMaxCounted divided by the sharers.
  const std::optional<std::size_t>& size() const { return size_; }
  // Returns a wanted architecture. Requires that there is one.
  Architecture Draw(RandomStream& random) const;
  // Returns a wanted architecture that is not in `seen`, or none if there is none. This is a uniform draw as long as
  // draws find something; the last few are looked for in lexicographic order from a drawn one on.
  std::optional<Architecture> DrawUnseen(RandomStream& random, const ArchitectureIndex& seen) const;

 private:
  struct Grid {
    // [layer][option]: its cost above the layer's cheapest option, in cells, rounded down; at most one more than there
    // are cells.
    std::vector<std::vector<std::uint16_t>> excess;
    // [layer][cells left]: the number of completions from this layer on. Each layer has a unit of its own.
    std::vector<std::vector<double>> completions;
    double cells_per_cost = 0;

    std::size_t cells() const { return completions.back().size() - 1; }
  };

  Architecture Listed(std::size_t index) const;
  Architecture DrawAny(RandomStream& random) const;
  void Prepare(const LimitSampler* wider, std::size_t sharers);
  // What may be spent above the cheapest architecture.
  double CostLeft() const;
  std::shared_ptr<const Grid> MakeGrid() const;
  // Whether the exact cost rules out nearly all draws on the grid.
  bool IsCoarse(std::size_t sharers) const;
  // Returns none if the exact cost exceeds the limit. With `keep_within` it takes only options after which the limit
  // can be met: then it rarely returns none, but it is only nearly uniform.
  std::optional<Architecture> DrawOnGrid(RandomStream& random, bool keep_within) const;

  const WithinLimit& wanted_;
  std::optional<std::size_t> size_;
  // The options of all wanted architectures, in lexicographic order; empty if they are too many or if all are wanted.
  std::vector<OptionIndex> list_;
  // Null where none is needed.
  std::shared_ptr<const Grid> grid_;
  // Cells of it that the limit leaves.
  std::size_t cells_left_ = 0;
  // Draw() has to keep within the limit.
  bool coarse_ = false;
};

}  // namespace layernas::core
